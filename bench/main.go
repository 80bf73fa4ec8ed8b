package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// measure is one row of the report.
type measure struct {
	name string
	run  func() ([]row, error)
}

// row is one figure with its floor and goal.
type row struct {
	what  string
	got   string
	floor string
	ratio string
	goal  string
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "-floor" {
		if err := serveFloor(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	measures := []measure{
		{"ready", benchReady},
		{"accept", benchAccept},
		{"start", benchStart},
		{"warm", benchWarm},
		{"backlog", benchBacklog},
	}
	failed := false
	for _, m := range measures {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], m.name) {
			continue
		}
		start := time.Now()
		rows, err := m.run()
		for _, r := range rows {
			fmt.Printf("%-46s %16s   floor %16s   ratio %7s   goal %s\n", r.what, r.got, r.floor, r.ratio, r.goal)
		}
		if err != nil {
			fmt.Printf("%s: %v\n", m.name, err)
			failed = true
		}
		fmt.Printf("%46s took %.0f s\n", m.name, time.Since(start).Seconds())
	}
	if failed {
		os.Exit(1)
	}
}

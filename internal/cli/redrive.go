package cli

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"lambent.dev/lambent/internal/cli/client"
)

// selectionFlags gives a command what chooses dead letters, and answers the function that reads
// it: ids, a filter or --all, never nothing and never two of them.
func (s *session) selectionFlags(cmd *cobra.Command, verb string) func(ids []string) (client.Selection, error) {
	filter := s.filterFlags(cmd)
	all := cmd.Flags().Bool("all", false, "all dead letters of the account")
	cmd.Args = cobra.ArbitraryArgs
	return func(ids []string) (client.Selection, error) {
		f, err := filter()
		if err != nil {
			return client.Selection{}, err
		}
		for _, id := range ids {
			if id == "" {
				return client.Selection{}, usagef("an id is empty")
			}
		}
		return selection(ids, f, *all, verb)
	}
}

func selection(ids []string, f client.Filter, all bool, verb string) (client.Selection, error) {
	given := 0
	for _, is := range []bool{len(ids) > 0, f != client.Filter{}, all} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		return client.Selection{}, usagef("say what to %s: ids, a filter such as --function NAME, or --all", verb)
	case given > 1:
		return client.Selection{}, usagef("say what to %s in one way: ids, a filter or --all", verb)
	case all:
		return client.Selection{All: true}, nil
	case len(ids) > 0:
		return client.Selection{IDs: ids}, nil
	}
	return client.Selection{Filter: &f}, nil
}

func (s *session) letterRedrive() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "redrive [ID...]",
		Short: "Process dead letters again",
		Long: `Process dead letters again: those with the given ids, those that a filter chooses, or all.

The work is a job on the server, which goes on when this command ends. Each letter becomes a new
event with a request id of its own; one that fails again keeps its whole history.`,
		Example: `  lambent deadletter redrive --function orders --error-type ValueError --dry-run
  lambent deadletter redrive --all --to live --wait
  lambent deadletter redrive ID --payload-patch '{"currency":"EUR"}'`,
	}
	choose := s.selectionFlags(cmd, "redrive")
	flags := cmd.Flags()
	to := flags.String("to", "", "call this `QUALIFIER` instead")
	patch := flags.String("payload-patch", "", "change each payload by this JSON merge patch: `JSON`, @FILE or -")
	dry := flags.Bool("dry-run", false, "only count what would be redriven")
	wait := flags.Bool("wait", false, "wait for the end and show the progress")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		chosen, err := choose(args)
		if err != nil {
			return err
		}
		request := client.Redrive{Selection: chosen, To: *to, DryRun: *dry}
		if flags.Changed("payload-patch") {
			if request.PayloadPatch, err = s.readPatch(cmd.Context(), "payload-patch", *patch); err != nil {
				return err
			}
		}
		return s.runJob(cmd.Context(), "redrive", request, *wait, *output)
	}
	return cmd
}

func (s *session) letterPurge() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "purge [ID...]",
		Short: "Delete dead letters for good",
		Long: `Delete dead letters for good: those with the given ids, those that a filter chooses, or all.

On a terminal it asks first; without one it wants --yes.`,
	}
	choose := s.selectionFlags(cmd, "purge")
	yes := cmd.Flags().Bool("yes", false, "do not ask")
	wait := cmd.Flags().Bool("wait", false, "wait for the end and show the progress")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		chosen, err := choose(args)
		if err != nil {
			return err
		}
		what := "the dead letters that this filter chooses"
		switch {
		case chosen.All:
			what = "all dead letters of the account"
		case len(chosen.IDs) > 0:
			what = count(len(chosen.IDs), "dead letter", "dead letters")
		}
		if err := s.confirm(cmd.Context(), *yes, "Delete "+what+" for good?"); err != nil {
			return err
		}
		return s.runJob(cmd.Context(), "purge", chosen, *wait, *output)
	}
	return cmd
}

// runJob starts a job, waits for it if asked to, and shows where it stands.
func (s *session) runJob(ctx context.Context, verb string, request any, wait bool, output format) error {
	r, err := s.connect(ctx)
	if err != nil {
		return err
	}
	var job client.Job
	raw, err := r.own.Call(ctx, http.MethodPost, client.Path("deadletters", verb), nil, request, &job)
	if err != nil {
		return err
	}
	if wait && !job.Ended() {
		if job, raw, err = s.follow(ctx, r, job, raw); err != nil {
			return err
		}
	}
	if output == formatJSON {
		err = s.json(raw)
	} else {
		_, err = fmt.Fprintln(s.Out, jobLine(job))
	}
	if err != nil {
		return err
	}
	switch {
	case output == formatJSON:
	case !job.Ended():
		fmt.Fprintf(s.Out, "\nNext:\n  lambent deadletter job %s --wait\n", job.ID)
	case job.Kind == "redrive" && job.Moved > 0:
		fmt.Fprint(s.Out, "\nNext:\n  lambent health --drained 60s\n  lambent deadletter list\n")
	}
	return jobFault(job)
}

// jobLine says in one line how a job stands.
func jobLine(j client.Job) string {
	if j.DryRun {
		return fmt.Sprintf("job %s %s: %s would be taken, nothing was done", j.ID, j.State, count(j.Matched, "dead letter", "dead letters"))
	}
	letters := count(j.Matched, "dead letter", "dead letters")
	if !j.Ended() {
		return fmt.Sprintf("job %s is %s on the server, for %s", j.ID, j.State, letters)
	}
	return fmt.Sprintf("job %s %s: %d of %s %s, %d failed", j.ID, j.State, j.Moved, letters, movedWord(j), j.Failed)
}

// movedWord says what a job did with the letters that it moved.
func movedWord(j client.Job) string {
	if j.Kind == "purge" {
		return "deleted"
	}
	return "queued again"
}

// jobFault answers the failure that an ended job is, or nil.
func jobFault(j client.Job) error {
	why := ""
	if j.Reason != "" {
		why = " (" + oneLine(j.Reason) + ")"
	}
	switch {
	case j.State == "cancelled" || j.State == "failed":
		return fmt.Errorf("the job %s %s after %d of %s%s: what is left is still in \"lambent deadletter list\"", j.ID, wasState(j.State), j.Moved, count(j.Matched, "dead letter", "dead letters"), why)
	case j.Ended() && j.Failed > 0:
		return fmt.Errorf("%s could not be %s and stayed%s: see \"lambent deadletter list\"", count(j.Failed, "dead letter", "dead letters"), movedWord(j), why)
	}
	return nil
}

func wasState(state string) string {
	if state == "cancelled" {
		return "was cancelled"
	}
	return state
}

func (s *session) jobList() *cobra.Command {
	cmd := &cobra.Command{Use: "jobs", Short: "List redrive and purge jobs", Args: none}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		var all client.Jobs
		raw, err := r.own.Call(cmd.Context(), http.MethodGet, client.Path("jobs"), nil, nil, &all)
		switch {
		case err != nil:
			return err
		case *output == formatJSON:
			return s.json(raw)
		case len(all.Jobs) == 0:
			fmt.Fprintln(s.Err, "There is no job.")
			return nil
		}
		var rows [][]string
		for _, j := range all.Jobs {
			rows = append(rows, []string{j.ID, jobKind(j), j.State, fmt.Sprint(j.Matched), fmt.Sprint(j.Moved), fmt.Sprint(j.Failed), clockTime(j.CreatedAt), j.By})
		}
		return s.table([]string{"JOB", "KIND", "STATE", "MATCHED", "MOVED", "FAILED", "CREATED", "BY"}, rows)
	}
	return cmd
}

func (s *session) jobShow() *cobra.Command {
	cmd := &cobra.Command{Use: "job ID", Short: "Show how a job stands", Args: one("one job's id")}
	output := outputFlag(cmd)
	wait := cmd.Flags().Bool("wait", false, "wait for the end and show the progress")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := s.connect(cmd.Context())
		if err != nil {
			return err
		}
		job, raw, err := r.job(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if *wait && !job.Ended() {
			if job, raw, err = s.follow(cmd.Context(), r, job, raw); err != nil {
				return err
			}
		}
		if *output == formatJSON {
			err = s.json(raw)
		} else {
			err = s.showJob(job)
		}
		if err != nil || !*wait {
			return err
		}
		return jobFault(job)
	}
	return cmd
}

// jobKind answers what a job does: "redrive", "redrive (dry run)".
func jobKind(j client.Job) string {
	if j.DryRun {
		return j.Kind + " (dry run)"
	}
	return j.Kind
}

func (s *session) showJob(j client.Job) error {
	moved := "Queued again"
	if j.Kind == "purge" {
		moved = "Deleted"
	}
	skipped := ""
	if j.Skipped > 0 {
		skipped = fmt.Sprintf("%d, gone when the job came to them", j.Skipped)
	}
	return s.facts(
		[2]string{"Job", j.ID},
		[2]string{"Kind", jobKind(j)},
		[2]string{"State", j.State},
		[2]string{"Matched", fmt.Sprint(j.Matched)},
		[2]string{moved, fmt.Sprint(j.Moved)},
		[2]string{"Failed", fmt.Sprint(j.Failed)},
		[2]string{"Reason", j.Reason},
		[2]string{"Skipped", skipped},
		[2]string{"To", j.To},
		[2]string{"Created", clockTime(j.CreatedAt)},
		[2]string{"Ended", clockTime(j.EndedAt)},
		[2]string{"By", j.By},
	)
}

func (r *remote) job(ctx context.Context, id string) (client.Job, []byte, error) {
	var job client.Job
	raw, err := r.own.Call(ctx, http.MethodGet, client.Path("jobs", id), nil, nil, &job)
	return job, raw, err
}

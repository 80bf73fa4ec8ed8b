package deadletter

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Group counts the letters that failed alike.
type Group struct {
	Fingerprint  string
	Function     lambda.FunctionID
	ErrorType    string
	ErrorMessage string // of the newest
	Count        int
	FirstAt      time.Time // burial of the oldest
	LastAt       time.Time // burial of the newest
}

// add counts one more letter.
func (g *Group) add(s *Summary) {
	if g.Count++; g.Count == 1 {
		g.Fingerprint, g.Function, g.ErrorType = s.Fingerprint, s.Function, s.ErrorType
		g.ErrorMessage, g.FirstAt, g.LastAt = s.ErrorMessage, s.BuriedAt, s.BuriedAt
		return
	}
	if s.BuriedAt.Before(g.FirstAt) {
		g.FirstAt = s.BuriedAt
	}
	if !s.BuriedAt.Before(g.LastAt) {
		g.LastAt, g.ErrorMessage = s.BuriedAt, s.ErrorMessage
	}
}

// Groups answers the groups of the letters that a filter chooses, the largest first.
func (s *Store) Groups(ctx context.Context, account string, f Filter) ([]Group, error) {
	if err := f.check(account); err != nil {
		return nil, err
	}
	groups, err := s.groups(ctx, account, &f)
	if err != nil {
		return nil, atBorder(account, "", err)
	}
	return ranked(groups), nil
}

func ranked(groups []Group) []Group {
	slices.SortFunc(groups, func(a, b Group) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		if c := b.LastAt.Compare(a.LastAt); c != 0 {
			return c
		}
		return strings.Compare(a.Fingerprint, b.Fingerprint)
	})
	return groups
}

func (s *Store) groups(ctx context.Context, account string, f *Filter) ([]Group, error) {
	if !f.indexed() {
		return s.groupHeads(ctx, account, f)
	}
	all := kv.Key(kv.LetterByPrint, account)
	r := kv.Prefix(all)
	if f.Fingerprint != "" {
		r = kv.Prefix(kv.Key(kv.LetterByPrint, account, f.Fingerprint))
	}
	groups := []Group{}
	for {
		print, err := s.nextPrint(r, len(all))
		if err != nil || print == "" {
			return groups, err
		}
		prefix := kv.Key(kv.LetterByPrint, account, print)
		g, err := s.count(ctx, account, f, print, prefix)
		if err != nil {
			return nil, err
		}
		if g.Count > 0 {
			groups = append(groups, g)
		}
		r.From = kv.Prefix(prefix).To
	}
}

// nextPrint answers the first fingerprint of a range, or "".
func (s *Store) nextPrint(r kv.Range, at int) (string, error) {
	for pair, err := range s.kv.Scan(r) {
		if err != nil {
			return "", err
		}
		end := bytes.IndexByte(pair.Key[at:], 0)
		if end < 0 {
			return "", errCorrupt
		}
		return string(pair.Key[at : at+end]), nil
	}
	return "", nil
}

// count counts one group off the index: all its letters share function and error type, so that
// one head decides for all.
func (s *Store) count(ctx context.Context, account string, f *Filter, print string, prefix []byte) (Group, error) {
	var g Group
	r := f.window(prefix)
	r.Reverse = true
	for pair, err := range s.kv.Scan(r) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Group{}, err
		}
		id := string(pair.Key[len(prefix) : len(pair.Key)-1])
		if g.Count == 0 {
			head, err := s.head(account, id)
			if errors.Is(err, kv.ErrNotFound) {
				continue // moved since the scan began
			}
			if err != nil {
				return Group{}, err
			}
			if f.Function != (lambda.FunctionID{}) && f.Function != head.Function || f.ErrorType != "" && f.ErrorType != head.ErrorType {
				return Group{}, nil
			}
			g.add(&head)
			continue
		}
		at, ok := timeOf(id)
		if !ok {
			return Group{}, errCorrupt
		}
		g.Count++
		g.FirstAt = at
	}
	return g, nil
}

// groupHeads counts by reading heads, for filters that no index decides.
func (s *Store) groupHeads(ctx context.Context, account string, f *Filter) ([]Group, error) {
	byPrint := map[string]*Group{}
	for head, err := range s.scan(ctx, account, f, "", false) {
		if err != nil {
			return nil, err
		}
		if f.match(&head) {
			tally(byPrint, &head)
		}
	}
	return collect(byPrint), nil
}

func tally(byPrint map[string]*Group, head *Summary) {
	g := byPrint[head.Fingerprint]
	if g == nil {
		g = &Group{}
		byPrint[head.Fingerprint] = g
	}
	g.add(head)
}

func collect(byPrint map[string]*Group) []Group {
	groups := make([]Group, 0, len(byPrint))
	for _, g := range byPrint {
		groups = append(groups, *g)
	}
	return groups
}

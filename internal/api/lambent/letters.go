package lambent

import (
	"slices"

	"lambent.dev/lambent/internal/deadletter"
	"lambent.dev/lambent/internal/lambda"
)

// filter reads a filter of which get answers the members, and whether they are given.
func (s *Server) filter(c *call, get func(name string) (string, bool)) (f deadletter.Filter, err error) {
	text := func(name string) string { v, _ := get(name); return v }
	f.Qualifier, f.ErrorType, f.Fingerprint, f.Text = text("qualifier"), text("errorType"), text("fingerprint"), text("text")
	if v := text("function"); v != "" {
		var qualifier string
		if f.Function, qualifier, err = c.function(v); err != nil {
			return f, err
		}
		if qualifier != "" && f.Qualifier != "" && qualifier != f.Qualifier {
			return f, lambda.Errorf(lambda.InvalidParameterValue, "function and qualifier name two qualifiers, %.128s and %.128s.", qualifier, f.Qualifier)
		}
		if qualifier != "" {
			f.Qualifier = qualifier
		}
	}
	if f.Condition = lambda.Condition(text("condition")); f.Condition != "" && !slices.Contains(lambda.Conditions(), f.Condition) {
		return f, lambda.Errorf(lambda.InvalidParameterValue, "condition %.64q is none of %v.", f.Condition, lambda.Conditions())
	}
	now := s.Clock()
	if v := text("since"); v != "" {
		if f.Since, err = deadletter.ParseWhen(v, now); err != nil {
			return f, err
		}
	}
	if v := text("until"); v != "" {
		if f.Until, err = deadletter.ParseWhen(v, now); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (s *Server) queryFilter(c *call) (deadletter.Filter, error) {
	return s.filter(c, func(name string) (string, bool) { v, ok := c.query[name]; return v, ok })
}

// selection reads which letters a job is for.
func (s *Server) selection(c *call, b *selectionBody) (deadletter.Selection, error) {
	out := deadletter.Selection{IDs: b.IDs, All: b.All}
	if b.Filter == nil {
		return out, nil
	}
	members := map[string]*string{
		"function": b.Filter.Function, "qualifier": b.Filter.Qualifier, "errorType": b.Filter.ErrorType, "condition": b.Filter.Condition,
		"fingerprint": b.Filter.Fingerprint, "text": b.Filter.Text, "since": b.Filter.Since, "until": b.Filter.Until,
	}
	for _, p := range filterParams {
		if v := members[p.name]; v != nil && *v == "" {
			return out, lambda.Errorf(lambda.InvalidParameterValue, "filter.%s is empty. Leave it out if it is not meant.", p.name)
		}
	}
	f, err := s.filter(c, func(name string) (string, bool) {
		if v := members[name]; v != nil {
			return *v, true
		}
		return "", false
	})
	out.Filter = &f
	return out, err
}

func (s *Server) listLetters(c *call) (any, error) {
	f, err := s.queryFilter(c)
	if err != nil {
		return nil, err
	}
	limit, err := c.number("limit", deadletter.MaxLimit)
	if err != nil {
		return nil, err
	}
	page, next, err := s.Letters.List(c.r.Context(), c.Account, f, limit, c.query["nextToken"])
	if err != nil {
		return nil, err
	}
	out := lettersView{DeadLetters: make([]summaryView, 0, len(page)), NextToken: next}
	for i := range page {
		out.DeadLetters = append(out.DeadLetters, viewSummary(&page[i]))
	}
	return out, nil
}

func (s *Server) listGroups(c *call) (any, error) {
	f, err := s.queryFilter(c)
	if err != nil {
		return nil, err
	}
	groups, err := s.Letters.Groups(c.r.Context(), c.Account, f)
	if err != nil {
		return nil, err
	}
	return groupsView{Groups: viewGroups(groups)}, nil
}

func (s *Server) getLetter(c *call) (any, error) {
	l, err := s.Letters.Get(c.Account, c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return viewLetter(l), nil
}

// by names the caller in records: the access key, or the account where there is none.
func (c *call) by() string {
	if c.AccessKey != "" {
		return c.AccessKey
	}
	return c.Account
}

func (s *Server) editLetter(c *call) (any, error) {
	var b editBody
	if err := c.decode(&b); err != nil {
		return nil, err
	}
	change := deadletter.Change{Patch: b.Patch}
	if b.Payload != nil {
		change.Payload = []byte(*b.Payload)
	}
	l, err := s.Letters.Edit(c.Account, c.r.PathValue("id"), change, c.by())
	if err != nil {
		return nil, err
	}
	return viewLetter(l), nil
}

func (s *Server) redrive(c *call) (any, error) {
	var b redriveBody
	if err := c.decode(&b); err != nil {
		return nil, err
	}
	sel, err := s.selection(c, &b.selectionBody)
	if err != nil {
		return nil, err
	}
	return s.start(c, deadletter.Order{Kind: deadletter.KindRedrive, Selection: sel, By: c.by(), To: b.To, PayloadPatch: b.PayloadPatch, DryRun: b.DryRun})
}

func (s *Server) purge(c *call) (any, error) {
	var b selectionBody
	if err := c.decode(&b); err != nil {
		return nil, err
	}
	sel, err := s.selection(c, &b)
	if err != nil {
		return nil, err
	}
	return s.start(c, deadletter.Order{Kind: deadletter.KindPurge, Selection: sel, By: c.by()})
}

func (s *Server) start(c *call, o deadletter.Order) (any, error) {
	job, err := s.Jobs.Start(c.r.Context(), c.Account, o)
	if err != nil {
		return nil, err
	}
	return viewJob(&job), nil
}

func (s *Server) listJobs(c *call) (any, error) {
	jobs, err := s.Jobs.List(c.Account)
	if err != nil {
		return nil, err
	}
	out := jobsView{Jobs: make([]jobView, 0, len(jobs))}
	for i := range jobs {
		out.Jobs = append(out.Jobs, viewJob(&jobs[i]))
	}
	return out, nil
}

// job makes a handler of what answers one job.
func (s *Server) job(do func(account, id string) (deadletter.Job, error)) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		job, err := do(c.Account, c.r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		return viewJob(&job), nil
	}
}

package function

import (
	"iter"
	"maps"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// CreateAlias makes an alias; its RevisionID is set here.
func (s *Service) CreateAlias(fn lambda.FunctionID, a Alias) (*Alias, error) {
	if lambda.IsVersion(a.Name) || !qualifierPattern.MatchString(a.Name) {
		return nil, constraint(a.Name, "name", "satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	}
	err := s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		key := kv.FunctionKey(kv.Alias, fn, a.Name)
		old, err := get[Alias](s.store, key)
		if err != nil {
			return err
		}
		if old != nil {
			return lambda.Errorf(lambda.ResourceConflict, "Alias already exists: %s", fn.QualifiedARN(a.Name))
		}
		if err := s.checkAlias(fn, &a); err != nil {
			return err
		}
		a.RevisionID = s.newID()
		return set(&ch.Batch, key, &a)
	})
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// checkAlias checks where an alias leads.
func (s *Service) checkAlias(fn lambda.FunctionID, a *Alias) error {
	if err := checkRouting(a.Version, a.Weights); err != nil {
		return err
	}
	if err := s.versionExists(fn, a.Version); err != nil {
		return err
	}
	for _, version := range sortedKeys(a.Weights) {
		if err := s.versionExists(fn, version); err != nil {
			return err
		}
	}
	return nil
}

// GetAlias answers an alias, which is shared and must not be written.
func (s *Service) GetAlias(fn lambda.FunctionID, name string) (*Alias, error) {
	e, err := s.known(fn)
	if err != nil {
		return nil, kinded(err)
	}
	var a *Alias
	if e != nil {
		if a, err = s.alias(fn, e, name); err != nil {
			return nil, kinded(err)
		}
	}
	if a == nil {
		return nil, aliasNotFound(fn, name)
	}
	return a, nil
}

func aliasNotFound(fn lambda.FunctionID, name string) error {
	return lambda.Errorf(lambda.ResourceNotFound, "Cannot find alias arn: %s", fn.QualifiedARN(name))
}

// AliasChange is what UpdateAlias asks for. A nil member was not said.
type AliasChange struct {
	Version     *string
	Description *string
	Weights     map[string]float64 // nil: not said; empty: none
	RevisionID  string
}

// UpdateAlias changes an alias.
func (s *Service) UpdateAlias(fn lambda.FunctionID, name string, in AliasChange) (*Alias, error) {
	var answer *Alias
	err := s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return aliasNotFound(fn, name)
		}
		key := kv.FunctionKey(kv.Alias, fn, name)
		a, err := get[Alias](s.store, key)
		if err != nil {
			return err
		}
		if a == nil {
			return aliasNotFound(fn, name)
		}
		if err := checkRevision(in.RevisionID, a.RevisionID); err != nil {
			return err
		}
		assign(&a.Version, in.Version)
		assign(&a.Description, in.Description)
		if in.Weights != nil {
			a.Weights = maps.Clone(in.Weights)
		}
		if err := s.checkAlias(fn, a); err != nil {
			return err
		}
		a.RevisionID = s.newID()
		answer = a
		return set(&ch.Batch, key, a)
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// DeleteAlias removes an alias with its invoke configuration. One that is not there is no error,
// as on AWS.
func (s *Service) DeleteAlias(fn lambda.FunctionID, name string) error {
	return s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		key := kv.FunctionKey(kv.Alias, fn, name)
		a, err := get[Alias](s.store, key)
		if err != nil || a == nil {
			return err
		}
		ch.Urgency = kv.Progress
		ch.Batch.Delete(key)
		ch.Batch.Delete(kv.FunctionKey(kv.InvokeConfig, fn, name))
		return nil
	})
}

// ListAliases answers a page of a function's aliases by name, of those that lead to a version
// where one is named.
func (s *Service) ListAliases(fn lambda.FunctionID, version, after string, limit int) ([]*Alias, string, error) {
	if e, err := s.known(fn); err != nil || e == nil {
		if err == nil {
			err = notFound(fn, "")
		}
		return nil, "", kinded(err)
	}
	page := newPage[*Alias](limit)
	for a, err := range s.aliases(fn, after) {
		if err != nil {
			return nil, "", kinded(err)
		}
		if _, weighted := a.Weights[version]; version != "" && a.Version != version && !weighted {
			continue
		}
		if !page.add(a, a.Name) {
			break
		}
	}
	return page.items, page.next(), nil
}

// aliases yields a function's aliases by name, those after a name where one is given.
func (s *Service) aliases(fn lambda.FunctionID, after string) iter.Seq2[*Alias, error] {
	r := kv.Prefix(kv.FunctionKey(kv.Alias, fn))
	if after != "" {
		r.From = kv.Prefix(kv.FunctionKey(kv.Alias, fn, after)).To
	}
	return values[Alias](s.store, r)
}

// values yields the decoded values of a range.
func values[T any](store kv.Store, r kv.Range) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for pair, err := range store.Scan(r) {
			if err != nil {
				yield(nil, err)
				return
			}
			v, err := decode[T](pair.Value)
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

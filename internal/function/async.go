package function

import (
	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// AsyncChange is what Put- and UpdateFunctionEventInvokeConfig ask for. A nil member was not said.
type AsyncChange struct {
	MaxRetries *int
	MaxAgeSec  *int
	OnSuccess  *string // a destination's ARN; "" clears
	OnFailure  *string
}

func (c *AsyncChange) empty() bool {
	return c.MaxRetries == nil && c.MaxAgeSec == nil && c.OnSuccess == nil && c.OnFailure == nil
}

// PutAsync replaces the event invoke configuration of a qualifier ("" means $LATEST).
func (s *Service) PutAsync(fn lambda.FunctionID, qualifier string, in AsyncChange) (*InvokeConfig, error) {
	return s.setAsync(fn, qualifier, in, func(*lambda.AsyncConfig) (lambda.AsyncConfig, error) { return lambda.AsyncConfig{}, nil })
}

// UpdateAsync changes what is said of it.
func (s *Service) UpdateAsync(fn lambda.FunctionID, qualifier string, in AsyncChange) (*InvokeConfig, error) {
	return s.setAsync(fn, qualifier, in, func(old *lambda.AsyncConfig) (lambda.AsyncConfig, error) {
		if old == nil {
			return lambda.AsyncConfig{}, noAsync(fn, qualifier)
		}
		return *old, nil
	})
}

func (s *Service) setAsync(fn lambda.FunctionID, qualifier string, in AsyncChange, base func(old *lambda.AsyncConfig) (lambda.AsyncConfig, error)) (*InvokeConfig, error) {
	if in.empty() {
		return nil, invalid("You must specify at least one of error handling or destination setting.")
	}
	if qualifier == "" {
		qualifier = lambda.Latest
	}
	now := s.clock()
	var answer *InvokeConfig
	err := s.mutate(fn, func(ch *change) error {
		if there, err := s.qualifierExists(fn, ch.record != nil, qualifier); err != nil || !there {
			if err == nil {
				err = lambda.Errorf(lambda.ResourceNotFound, "The function doesn't exist.")
			}
			return err
		}
		key := kv.FunctionKey(kv.InvokeConfig, fn, qualifier)
		old, err := get[lambda.AsyncConfig](s.store, key)
		if err != nil {
			return err
		}
		c, err := base(old)
		if err != nil {
			return err
		}
		if in.MaxRetries != nil {
			c.MaxRetries = in.MaxRetries
		}
		if in.MaxAgeSec != nil {
			c.MaxAgeSec = in.MaxAgeSec
		}
		assign(&c.OnSuccess, in.OnSuccess)
		assign(&c.OnFailure, in.OnFailure)
		if err := checkDestinations(fn, &c, func(name, q string) (bool, error) { return s.exists(fn, name, q) }); err != nil {
			return err
		}
		c.LastModified = now
		answer = &InvokeConfig{Qualifier: qualifier, AsyncConfig: c}
		return set(&ch.Batch, key, &c)
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// exists says whether a sibling of fn is there. It takes no lock: a target may go at any time.
func (s *Service) exists(fn lambda.FunctionID, name, qualifier string) (bool, error) {
	fn.Name = name
	r, err := s.load(fn)
	if err != nil {
		return false, err
	}
	return s.qualifierExists(fn, r != nil, qualifier)
}

func (s *Service) qualifierExists(fn lambda.FunctionID, function bool, qualifier string) (bool, error) {
	switch {
	case !function:
		return false, nil
	case qualifier == "", qualifier == lambda.Latest:
		return true, nil
	}
	if n := versionNumber(qualifier); n != 0 {
		v, err := get[lambda.Configuration](s.store, versionKey(fn, n))
		return v != nil, err
	}
	a, err := get[Alias](s.store, kv.FunctionKey(kv.Alias, fn, qualifier))
	return a != nil, err
}

func noAsync(fn lambda.FunctionID, qualifier string) error {
	if qualifier == "" {
		qualifier = lambda.Latest
	}
	return lambda.Errorf(lambda.ResourceNotFound, "The function %s doesn't have an EventInvokeConfig", fn.QualifiedARN(qualifier))
}

// GetAsync answers the event invoke configuration of a qualifier.
func (s *Service) GetAsync(fn lambda.FunctionID, qualifier string) (*InvokeConfig, error) {
	if qualifier == "" {
		qualifier = lambda.Latest
	}
	c, err := get[lambda.AsyncConfig](s.store, kv.FunctionKey(kv.InvokeConfig, fn, qualifier))
	if err != nil {
		return nil, kinded(err)
	}
	if c == nil {
		return nil, noAsync(fn, qualifier)
	}
	return &InvokeConfig{Qualifier: qualifier, AsyncConfig: *c}, nil
}

// DeleteAsync removes it.
func (s *Service) DeleteAsync(fn lambda.FunctionID, qualifier string) error {
	if qualifier == "" {
		qualifier = lambda.Latest
	}
	return s.mutate(fn, func(ch *change) error {
		key := kv.FunctionKey(kv.InvokeConfig, fn, qualifier)
		c, err := get[lambda.AsyncConfig](s.store, key)
		if err != nil {
			return err
		}
		if c == nil {
			return noAsync(fn, qualifier)
		}
		ch.Urgency = kv.Progress
		ch.Batch.Delete(key)
		return nil
	})
}

// ListAsync answers a page of a function's event invoke configurations by qualifier.
func (s *Service) ListAsync(fn lambda.FunctionID, after string, limit int) ([]*InvokeConfig, string, error) {
	if e, err := s.known(fn); err != nil || e == nil {
		if err == nil {
			err = lambda.Errorf(lambda.ResourceNotFound, "The function doesn't exist.")
		}
		return nil, "", kinded(err)
	}
	prefix := kv.FunctionKey(kv.InvokeConfig, fn)
	r := kv.Prefix(prefix)
	if after != "" {
		r.From = kv.Prefix(kv.FunctionKey(kv.InvokeConfig, fn, after)).To
	}
	page := newPage[*InvokeConfig](limit)
	for pair, err := range s.store.Scan(r) {
		if err != nil {
			return nil, "", kinded(err)
		}
		c, err := decode[lambda.AsyncConfig](pair.Value)
		if err != nil {
			return nil, "", kinded(err)
		}
		qualifier := string(pair.Key[len(prefix) : len(pair.Key)-1])
		if !page.add(&InvokeConfig{Qualifier: qualifier, AsyncConfig: *c}, qualifier) {
			break
		}
	}
	return page.items, page.next(), nil
}

package function

import (
	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Resolve answers the version behind a qualifier ("" means $LATEST); roll, in [0,1), picks one of
// an alias's versions by its weights. The configuration is shared: it must not be written.
func (s *Service) Resolve(fn lambda.FunctionID, qualifier string, roll float64) (*lambda.Configuration, error) {
	c, err := s.resolve(fn, qualifier, roll)
	if err != nil {
		return nil, kinded(err)
	}
	return c, nil
}

func (s *Service) resolve(fn lambda.FunctionID, qualifier string, roll float64) (*lambda.Configuration, error) {
	e, err := s.known(fn)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, notFound(fn, qualifier)
	}
	version := qualifier
	if qualifier != "" && qualifier != lambda.Latest && versionNumber(qualifier) == 0 {
		a, err := s.alias(fn, e, qualifier)
		if err != nil {
			return nil, err
		}
		if a == nil {
			return nil, notFound(fn, qualifier)
		}
		version = a.pick(roll)
	}
	if version == "" || version == lambda.Latest {
		return &e.record.Latest, nil
	}
	c, err := fill(s, fn, e, e.versions, version, versionKey(fn, versionNumber(version)))
	if err == nil && c == nil {
		err = notFound(fn, qualifier)
	}
	return c, err
}

func (s *Service) alias(fn lambda.FunctionID, e *cached, name string) (*Alias, error) {
	return fill(s, fn, e, e.aliases, name, kv.FunctionKey(kv.Alias, fn, name))
}

// Get answers the version behind a qualifier as people see it: an alias stands for its main
// version, and StateReason says what the runtime is served by.
func (s *Service) Get(fn lambda.FunctionID, qualifier string) (lambda.Configuration, error) {
	const never = 1 // beyond every weight but a whole one, which leaves nothing to the main version
	shared, err := s.Resolve(fn, qualifier, never)
	if err != nil {
		return lambda.Configuration{}, err
	}
	c := *shared
	if note, err := s.runtimes.Supports(c.Runtime); err == nil && c.State == lambda.StateActive {
		c.StateReason = note
	}
	return c, nil
}

// Check answers nil when a function has the qualifier, or ResourceNotFound.
func (s *Service) Check(fn lambda.FunctionID, qualifier string) error {
	_, err := s.Resolve(fn, qualifier, 1)
	return err
}

// Reserved answers a function's reserved concurrency; nil: none, also where there is no function.
func (s *Service) Reserved(fn lambda.FunctionID) (*int, error) {
	e, err := s.known(fn)
	if err != nil || e == nil {
		return nil, kinded(err)
	}
	return e.record.Reserved, nil
}

// ReservedTotal answers the sum of reserved concurrency in an account and region.
func (s *Service) ReservedTotal(account, region string) int { return s.total(account, region).reserved }

// AsyncConfig answers the event invoke configuration of a qualifier, or the zero value. Nothing
// is inherited from the function by an alias.
func (s *Service) AsyncConfig(fn lambda.FunctionID, qualifier string) (lambda.AsyncConfig, error) {
	if qualifier == "" {
		qualifier = lambda.Latest
	}
	e, err := s.known(fn)
	if err != nil || e == nil {
		return lambda.AsyncConfig{}, kinded(err)
	}
	e.mu.RLock()
	c, ok := e.configs[qualifier]
	e.mu.RUnlock()
	if ok {
		return c, nil
	}
	lock := s.lock(fn)
	lock.RLock()
	defer lock.RUnlock()
	stored, err := get[lambda.AsyncConfig](s.store, kv.FunctionKey(kv.InvokeConfig, fn, qualifier))
	if err != nil {
		return lambda.AsyncConfig{}, kinded(err)
	}
	if stored != nil {
		c = *stored
	} else if qualifier != lambda.Latest {
		return c, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.configs[qualifier] = c
	return c, nil
}

// DeadLetterTarget answers the DeadLetterConfig target of the version behind the qualifier, or
// "" where there is none.
func (s *Service) DeadLetterTarget(fn lambda.FunctionID, qualifier string) (string, error) {
	c, err := s.Resolve(fn, qualifier, 1)
	switch {
	case err == nil:
		return c.DeadLetterARN, nil
	case lambda.KindOf(err) == lambda.ResourceNotFound:
		return "", nil
	}
	return "", err
}

// Codes answers the SHA-256 (base64) of all code that a function or version refers to.
func (s *Service) Codes() (map[string]bool, error) {
	codes := map[string]bool{}
	for pair, err := range s.store.Scan(kv.Prefix(kv.Key(kv.Function))) {
		if err != nil {
			return nil, kinded(err)
		}
		r, err := decode[record](pair.Value)
		if err != nil {
			return nil, kinded(err)
		}
		codes[r.Latest.CodeSHA256] = true
	}
	for pair, err := range s.store.Scan(kv.Prefix(kv.Key(kv.Version))) {
		if err != nil {
			return nil, kinded(err)
		}
		c, err := decode[lambda.Configuration](pair.Value)
		if err != nil {
			return nil, kinded(err)
		}
		codes[c.CodeSHA256] = true
	}
	return codes, nil
}

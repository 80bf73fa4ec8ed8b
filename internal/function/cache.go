package function

import (
	"sync"

	"lambent.dev/lambent/internal/lambda"
)

// maxCached bounds the functions that are kept in memory.
const maxCached = 4096

// cache holds what has been read of functions since they last changed. An entry goes whole at
// every change. Its fields are filled while the function's lock is shared, so that a change
// can't come in between; what is read from it after a change belongs to a call that began before.
type cache struct {
	mu      sync.RWMutex
	entries map[lambda.FunctionID]*cached
}

// cached is what is known of one function. Absent things are not remembered: a stranger can name
// any number of them.
type cached struct {
	record *record

	mu       sync.RWMutex
	versions map[string]*lambda.Configuration
	aliases  map[string]*Alias
	configs  map[string]lambda.AsyncConfig // the zero value: none
}

func (c *cache) find(fn lambda.FunctionID) *cached {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[fn]
}

func (c *cache) add(fn lambda.FunctionID, e *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= maxCached {
		c.entries = map[lambda.FunctionID]*cached{}
	}
	c.entries[fn] = e
}

func (c *cache) drop(fn lambda.FunctionID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, fn)
}

// known answers what the cache or the store says of a function; nil: there is none.
func (s *Service) known(fn lambda.FunctionID) (*cached, error) {
	if e := s.cache.find(fn); e != nil {
		return e, nil
	}
	lock := s.lock(fn)
	lock.RLock()
	defer lock.RUnlock()
	if e := s.cache.find(fn); e != nil {
		return e, nil
	}
	r, err := s.load(fn)
	if err != nil || r == nil {
		return nil, err
	}
	e := &cached{record: r, versions: map[string]*lambda.Configuration{}, aliases: map[string]*Alias{}, configs: map[string]lambda.AsyncConfig{}}
	s.cache.add(fn, e)
	return e, nil
}

// fill answers m[name], reading it by key when it is not there; nil: there is none.
func fill[T any](s *Service, fn lambda.FunctionID, e *cached, m map[string]*T, name string, key []byte) (*T, error) {
	e.mu.RLock()
	v := m[name]
	e.mu.RUnlock()
	if v != nil {
		return v, nil
	}
	lock := s.lock(fn)
	lock.RLock()
	defer lock.RUnlock()
	v, err := get[T](s.store, key)
	if err != nil || v == nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	m[name] = v
	return v, nil
}

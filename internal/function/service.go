package function

import (
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Service keeps functions. Its methods are safe for concurrent use.
type Service struct {
	store    kv.Store
	runtimes Runtimes
	clock    clock.Clock
	newID    func() string
	options  Options
	log      *slog.Logger

	seed    maphash.Seed
	locks   [256]sync.RWMutex // the owner of each function's keys: a change holds it, a read of the store shares it
	reserve sync.Mutex        // the owner of each account's reserved concurrency; taken before a function's lock

	cache cache

	mu     sync.RWMutex
	totals map[pool]*total
}

// pool is where AWS counts: an account in a region.
type pool struct{ account, region string }

type total struct {
	functions int
	codeBytes int64
	reserved  int
}

// New makes a Service over what the store holds. newID answers RevisionIDs (UUIDs).
func New(store kv.Store, runtimes Runtimes, now clock.Clock, newID func() string, log *slog.Logger, o Options) (*Service, error) {
	s := &Service{store: store, runtimes: runtimes, clock: now, newID: newID, log: log,
		options: o.withDefaults(), seed: maphash.MakeSeed(), totals: map[pool]*total{}}
	if err := s.loadTotals(); err != nil {
		return nil, kinded(err)
	}
	return s, nil
}

// loadTotals counts what there is, once, before anything changes.
func (s *Service) loadTotals() error {
	for pair, err := range s.store.Scan(kv.Prefix(kv.Key(kv.Function))) {
		if err != nil {
			return err
		}
		r, err := decode[record](pair.Value)
		if err != nil {
			return err
		}
		s.count(r.Latest.Function, 1, r.Latest.CodeBytes, reservedOf(r))
	}
	for pair, err := range s.store.Scan(kv.Prefix(kv.Key(kv.Version))) {
		if err != nil {
			return err
		}
		c, err := decode[lambda.Configuration](pair.Value)
		if err != nil {
			return err
		}
		s.count(c.Function, 0, c.CodeBytes, 0)
	}
	return nil
}

func reservedOf(r *record) int {
	if r == nil || r.Reserved == nil {
		return 0
	}
	return *r.Reserved
}

func (s *Service) count(fn lambda.FunctionID, functions int, codeBytes int64, reserved int) {
	p := pool{fn.Account, fn.Region}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.totals[p]
	if t == nil {
		t = &total{}
		s.totals[p] = t
	}
	t.functions += functions
	t.codeBytes += codeBytes
	t.reserved += reserved
	if *t == (total{}) {
		delete(s.totals, p)
	}
}

// Count answers how many functions an account has, in all regions.
func (s *Service) Count(account string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for p, t := range s.totals {
		if p.account == account {
			n += t.functions
		}
	}
	return n
}

func (s *Service) total(account, region string) total {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.totals[pool{account, region}]; t != nil {
		return *t
	}
	return total{}
}

func (s *Service) lock(fn lambda.FunctionID) *sync.RWMutex {
	return &s.locks[maphash.Comparable(s.seed, fn)%uint64(len(s.locks))]
}

// change is what one mutation of a function does.
type change struct {
	*record // as stored; nil: there is no such function
	kv.Batch
	functions int // what the change does to the account's totals
	codeBytes int64
	reserved  int
}

// save stores the record in the change's batch.
func (c *change) save() error { return set(&c.Batch, functionKey(c.Latest.Function), c.record) }

// mutate lets f read the function and fill a batch, and commits it, all as the function's only
// owner. A batch that stays empty is no change.
func (s *Service) mutate(fn lambda.FunctionID, f func(c *change) error) error {
	changed, err := s.mutateLocked(fn, f)
	if err != nil {
		return kinded(err)
	}
	if changed {
		s.log.Debug("function changed", "function", fn.ARN())
		s.options.OnChange(fn)
	}
	return nil
}

func (s *Service) mutateLocked(fn lambda.FunctionID, f func(c *change) error) (bool, error) {
	lock := s.lock(fn)
	lock.Lock()
	defer lock.Unlock()
	r, err := s.load(fn)
	if err != nil {
		return false, err
	}
	c := &change{record: r}
	if err := f(c); err != nil {
		return false, err
	}
	if len(c.Ops) == 0 {
		return false, nil
	}
	if err := s.store.Commit(&c.Batch, kv.Synced); err != nil {
		return false, err
	}
	s.cache.drop(fn)
	s.count(fn, c.functions, c.codeBytes, c.reserved)
	return true, nil
}

// load reads a function's record; nil says that there is none.
func (s *Service) load(fn lambda.FunctionID) (*record, error) {
	return get[record](s.store, functionKey(fn))
}

// get reads a value; nil says that there is none.
func get[T any](store kv.Store, key []byte) (*T, error) {
	data, err := store.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decode[T](data)
}

// kinded gives an error its kind at the package's border.
func kinded(err error) error {
	var known *lambda.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &lambda.Error{Kind: lambda.Internal, Message: "An error occurred and the request cannot be processed.", Err: err}
}

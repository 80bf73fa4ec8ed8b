package deadletter

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"time"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Page sizes of List.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// Store keeps dead letters. It is safe for concurrent use.
type Store struct {
	kv     kv.Store
	now    clock.Clock
	seed   maphash.Seed
	owners [64]sync.Mutex // striped by account
}

// New answers the store of dead letters on a key space.
func New(s kv.Store, now clock.Clock) *Store {
	return &Store{kv: s, now: now, seed: maphash.MakeSeed()}
}

// own takes the owner lock of an account.
func (s *Store) own(account string) (release func()) {
	mu := &s.owners[maphash.String(s.seed, account)%uint64(len(s.owners))]
	mu.Lock()
	return mu.Unlock
}

// Bury adds the letter of an event that ends to the batch that ends it, and answers its id. It
// reads nothing and takes no lock; the caller commits.
func (s *Store) Bury(b *kv.Batch, burial *lambda.Burial) string {
	l := compose(burial)
	put(b, l)
	return l.ID
}

// put writes all keys of a letter.
func put(b *kv.Batch, l *Letter) {
	account := l.Function.Account
	b.Set(kv.Key(kv.Letter, account, l.ID), encodeHead(&l.Summary))
	b.Set(kv.Key(kv.LetterBody, account, l.ID), encodeBody(l))
	b.Set(kv.Key(kv.LetterPayload, account, l.ID), l.Payload)
	for _, k := range indexes(&l.Summary) {
		b.Set(k, nil)
	}
}

// remove deletes all keys of a letter.
func remove(b *kv.Batch, s *Summary) {
	for _, kind := range []string{kv.Letter, kv.LetterBody, kv.LetterPayload} {
		b.Delete(kv.Key(kind, s.Function.Account, s.ID))
	}
	for _, k := range indexes(s) {
		b.Delete(k)
	}
}

// indexes answers a letter's index keys.
func indexes(s *Summary) [][]byte {
	account, kind := s.Function.Account, shortHash(s.ErrorType)
	return [][]byte{
		kv.FunctionKey(kv.LetterByFunction, s.Function, s.ID),
		kv.Key(kv.LetterByType, account, kind, s.ID),
		kv.FunctionKey(kv.LetterByBoth, s.Function, kind, s.ID),
		kv.Key(kv.LetterByPrint, account, s.Fingerprint, s.ID),
	}
}

// Get answers a whole letter, or lambda.ResourceNotFound.
func (s *Store) Get(account, id string) (*Letter, error) {
	head, err := s.head(account, id)
	if err != nil {
		return nil, atBorder(account, id, err)
	}
	l, err := s.complete(head)
	return l, atBorder(account, id, err)
}

// List answers letters newest first, and the token of the next page or "".
func (s *Store) List(ctx context.Context, account string, f Filter, limit int, next string) ([]Summary, string, error) {
	if limit == 0 {
		limit = DefaultLimit
	}
	if limit < 1 || limit > MaxLimit {
		return nil, "", lambda.Errorf(lambda.InvalidParameterValue, "limit must be between 1 and %d.", MaxLimit)
	}
	if err := f.check(account); err != nil {
		return nil, "", err
	}
	var after string
	if next != "" {
		t, ok := decodeToken(account, f, next)
		if !ok {
			return nil, "", lambda.Errorf(lambda.InvalidParameterValue, "nextToken is not one that was given for this filter.")
		}
		after, f.Since, f.Until = t.after, t.since, t.until
	}
	page := []Summary{}
	for head, err := range s.scan(ctx, account, &f, after, true) {
		if err != nil {
			return nil, "", err
		}
		if !f.match(&head) {
			continue
		}
		if len(page) == limit {
			return page, encodeToken(account, f, page[limit-1].ID), nil
		}
		page = append(page, head)
	}
	return page, "", nil
}

// scan yields the heads of the filter's narrowest index, within its window and beyond after;
// the caller matches the rest of the filter.
func (s *Store) scan(ctx context.Context, account string, f *Filter, after string, newest bool) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		prefix, heads := f.prefix(account)
		r := f.window(prefix)
		r.Reverse = newest
		if after != "" && newest {
			r.To = idKey(prefix, after)
		} else if after != "" {
			r.From = append(idKey(prefix, after), 0)
		}
		for pair, err := range s.kv.Scan(r) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Summary{}, atBorder(account, "", err))
				return
			}
			id := string(pair.Key[len(prefix) : len(pair.Key)-1])
			var head Summary
			if heads {
				head, err = decodeHead(account, id, pair.Value)
			} else if head, err = s.head(account, id); errors.Is(err, kv.ErrNotFound) {
				continue // moved since the scan began
			}
			if err != nil {
				err = atBorder(account, id, err)
			}
			if !yield(head, err) || err != nil {
				return
			}
		}
	}
}

// end answers the millisecond after now and after every letter of the account: a clock that was
// set back must not hide letters from a job.
func (s *Store) end(account string, now time.Time) (time.Time, error) {
	last := now
	prefix := kv.Key(kv.Letter, account)
	r := kv.Prefix(prefix)
	r.Reverse = true
	for pair, err := range s.kv.Scan(r) {
		if err != nil {
			return time.Time{}, err
		}
		if at, ok := timeOf(string(pair.Key[len(prefix) : len(pair.Key)-1])); ok && at.After(last) {
			last = at
		}
		break
	}
	return last.Truncate(time.Millisecond).Add(time.Millisecond), nil
}

// head reads a letter's head.
func (s *Store) head(account, id string) (Summary, error) {
	if !validID(id) {
		return Summary{}, kv.ErrNotFound
	}
	b, err := s.kv.Get(kv.Key(kv.Letter, account, id))
	if err != nil {
		return Summary{}, err
	}
	return decodeHead(account, id, b)
}

// complete reads what belongs to a head.
func (s *Store) complete(head Summary) (*Letter, error) {
	l := &Letter{Summary: head}
	body, err := s.kv.Get(kv.Key(kv.LetterBody, head.Function.Account, head.ID))
	if err != nil {
		return nil, err
	}
	if err := decodeBody(l, body); err != nil {
		return nil, err
	}
	l.Payload, err = s.kv.Get(kv.Key(kv.LetterPayload, head.Function.Account, head.ID))
	return l, err
}

// atBorder gives an error its kind; nil stays nil.
func atBorder(account, id string, err error) error {
	var known *lambda.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, kv.ErrNotFound):
		return lambda.Errorf(lambda.ResourceNotFound,
			"No dead letter %.64q in account %s. It may have been redriven or purged since.", id, account)
	}
	return &lambda.Error{Kind: lambda.Internal, Message: "Dead letters cannot be read.", Err: fmt.Errorf("deadletter: account %s: %w", account, err)}
}

package admission

import (
	"sync"
	"time"

	"lambent.dev/lambent/internal/lambda"
)

// Reservation is what the account has set aside, as it stands when an invocation asks.
type Reservation struct {
	Function *int // the function's reserved concurrency; nil: none
	Account  int  // the sum over all functions of the account and region
}

// Gate counts running invocations.
type Gate struct {
	limit int

	mu    sync.Mutex
	pools map[pool]*usage
}

type pool struct{ account, region string }

type usage struct {
	unreserved int
	reserved   map[string]int // by function name, those with a reservation
}

// New makes a Gate; limit is each account's concurrency per region, 0 for AWS's default.
func New(limit int) *Gate {
	if limit <= 0 {
		limit = lambda.AccountConcurrency
	}
	return &Gate{limit: limit, pools: map[pool]*usage{}}
}

// Limit answers each account's concurrency.
func (g *Gate) Limit() int { return g.limit }

// Acquire takes one unit for fn, or refuses with TooManyRequests. release gives it back, once.
func (g *Gate) Acquire(fn lambda.FunctionID, r Reservation) (release func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := pool{fn.Account, fn.Region}
	u := g.pools[key]
	if u == nil {
		u = &usage{reserved: map[string]int{}}
		g.pools[key] = u
	}
	if reason := refuse(g.limit, r, u.unreserved, u.reserved[fn.Name]); reason != "" {
		g.forget(key, u)
		e := &lambda.Error{Kind: lambda.TooManyRequests, Message: "Rate Exceeded.", Reason: reason, RetryAfter: time.Second}
		if r.Function != nil && *r.Function == 0 {
			e.Err = lambda.ErrZeroConcurrency // for whom waiting has no sense
		}
		return nil, e
	}
	isReserved := r.Function != nil
	if isReserved {
		u.reserved[fn.Name]++
	} else {
		u.unreserved++
	}
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if !isReserved {
			u.unreserved--
		} else if u.reserved[fn.Name]--; u.reserved[fn.Name] == 0 {
			delete(u.reserved, fn.Name)
		}
		g.forget(key, u)
	}), nil
}

// forget drops an idle pool, so that accounts that came once cost nothing.
func (g *Gate) forget(key pool, u *usage) {
	if u.unreserved == 0 && len(u.reserved) == 0 && g.pools[key] == u {
		delete(g.pools, key)
	}
}

// refuse answers AWS's reason, or "" when one more invocation may start.
func refuse(limit int, r Reservation, unreserved, reserved int) string {
	if r.Function != nil {
		if reserved >= *r.Function {
			return lambda.ReasonReservedConcurrency
		}
		return ""
	}
	if unreserved >= limit-r.Account {
		return lambda.ReasonConcurrency
	}
	return ""
}

package function

import (
	"strconv"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// PutReserved sets a function's reserved concurrency; 0 switches it off.
func (s *Service) PutReserved(fn lambda.FunctionID, n int) error {
	if n < 0 {
		return constraint(strconv.Itoa(n), "reservedConcurrentExecutions", "have value greater than or equal to 0")
	}
	s.reserve.Lock()
	defer s.reserve.Unlock()
	return s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		ch.reserved = n - reservedOf(ch.record)
		left := s.options.Concurrency - s.total(fn.Account, fn.Region).reserved - ch.reserved
		if n > 0 && left < lambda.MinUnreservedConcurrency {
			return invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].",
				lambda.MinUnreservedConcurrency)
		}
		ch.Reserved = &n
		return ch.save()
	})
}

// DeleteReserved gives a function's reserved concurrency back.
func (s *Service) DeleteReserved(fn lambda.FunctionID) error {
	s.reserve.Lock()
	defer s.reserve.Unlock()
	return s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		if ch.Reserved == nil {
			return nil
		}
		ch.Urgency = kv.Progress
		ch.reserved = -reservedOf(ch.record)
		ch.Reserved = nil
		return ch.save()
	})
}

// Account is what an account has and may have in a region.
type Account struct {
	Functions       int
	CodeBytes       int64
	MaxCodeBytes    int64
	Concurrency     int
	UnreservedUnits int
}

// Account answers an account's limits and usage.
func (s *Service) Account(account, region string) Account {
	t := s.total(account, region)
	return Account{
		Functions: t.functions, CodeBytes: t.codeBytes, MaxCodeBytes: s.options.CodeBytes,
		Concurrency: s.options.Concurrency, UnreservedUnits: s.options.Concurrency - t.reserved,
	}
}

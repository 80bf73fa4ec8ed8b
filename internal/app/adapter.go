package app

import (
	"context"

	"lambent.dev/lambent/internal/account"
	"lambent.dev/lambent/internal/admission"
	apilambent "lambent.dev/lambent/internal/api/lambent"
	"lambent.dev/lambent/internal/function"
	"lambent.dev/lambent/internal/interpreter"
	"lambent.dev/lambent/internal/invoke"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/queue"
)

// The adapters: each gives one package what another one declared that it needs.

// supports tells the function service which runtimes this host serves.
type supports struct {
	finder *interpreter.Finder
	ctx    context.Context
}

func (s supports) Supports(runtime string) (note string, err error) {
	r, err := s.finder.Resolve(s.ctx, runtime)
	return r.Note, err
}

// resolver gives invoke its functions.
type resolver struct{ *function.Service }

func (r resolver) Reservation(fn lambda.FunctionID) (admission.Reservation, error) {
	reserved, err := r.Reserved(fn)
	return admission.Reservation{Function: reserved, Account: r.ReservedTotal(fn.Account, fn.Region)}, err
}

// accountList and keyList show the accounts to Lambent's own API.
type accountList struct {
	accounts  *account.Service
	functions *function.Service
}

func (l accountList) List() ([]apilambent.Account, error) {
	var all []apilambent.Account
	for _, a := range l.accounts.Accounts() {
		all = append(all, apilambent.Account(a))
	}
	return all, nil
}

func (l accountList) Create(id string) (apilambent.Account, error) {
	a, err := l.accounts.Create(id)
	return apilambent.Account(a), err
}

// Delete refuses while the account has functions: they would go on running for nobody, and whoever
// gets the id next would own them.
func (l accountList) Delete(id string) error {
	if n := l.functions.Count(id); n > 0 {
		return lambda.Errorf(lambda.ResourceConflict, "Account %s still has functions (%d): delete them first.", id, n)
	}
	return l.accounts.Delete(id)
}

type keyList struct{ accounts *account.Service }

func (l keyList) List(account string) ([]apilambent.Key, error) {
	keys, err := l.accounts.Keys(account)
	all := make([]apilambent.Key, 0, len(keys))
	for _, k := range keys {
		all = append(all, apilambent.Key{AccessKey: k.AccessKey, CreatedAt: k.CreatedAt})
	}
	return all, err
}

func (l keyList) Create(account string) (apilambent.Key, error) {
	k, err := l.accounts.CreateKey(account)
	return apilambent.Key{AccessKey: k.AccessKey, Secret: k.Secret, CreatedAt: k.CreatedAt}, err
}

func (l keyList) Delete(account, accessKey string) error {
	return l.accounts.DeleteKey(account, accessKey)
}

// caller runs functions now or later, for AWS's API.
type caller struct {
	*invoke.Service
	queue *queue.Queue
}

func (c caller) Accept(ctx context.Context, e *lambda.Event) error { return c.queue.Accept(ctx, e) }

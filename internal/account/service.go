package account

import (
	"cmp"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"

	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// RootAccount is the account of the root key.
const RootAccount = "000000000000"

// Account is one tenant.
type Account struct {
	ID        string    `json:"id"` // 12 digits
	CreatedAt time.Time `json:"createdAt"`
}

// Key is one access key.
type Key struct {
	AccessKey string    `json:"accessKey"`
	Secret    string    `json:"secret"`
	Account   string    `json:"account"`
	Root      bool      `json:"root,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// Service keeps accounts and keys. It is safe for concurrent use.
type Service struct {
	store kv.Store
	clock clock.Clock

	mu       sync.RWMutex
	accounts map[string]Account
	keys     map[string]Key
}

// New reads all accounts and keys.
func New(store kv.Store, clk clock.Clock) (*Service, error) {
	s := &Service{store: store, clock: clk, accounts: map[string]Account{}, keys: map[string]Key{}}
	if err := load(store, kv.Account, func(a Account) { s.accounts[a.ID] = a }); err != nil {
		return nil, err
	}
	if err := load(store, kv.AccessKey, func(k Key) { s.keys[k.AccessKey] = k }); err != nil {
		return nil, err
	}
	return s, nil
}

func load[T any](store kv.Store, kind string, take func(T)) error {
	for pair, err := range store.Scan(kv.Prefix(kv.Key(kind))) {
		if err != nil {
			return fmt.Errorf("account: %w", err)
		}
		var record T
		if err := json.Unmarshal(pair.Value, &record); err != nil {
			return fmt.Errorf("account: the record %q is damaged: %w", pair.Key, err)
		}
		take(record)
	}
	return nil
}

// Root answers the root key, making it at the first start. made says that it is new.
func (s *Service) Root() (key Key, made bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.Root {
			return k, false, nil
		}
	}
	key = s.newKey(RootAccount)
	key.Root = true
	return key, true, s.put(key)
}

// Accounts lists them by id.
func (s *Service) Accounts() []Account {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]Account, 0, len(s.accounts))
	for _, a := range s.accounts {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Account) int { return strings.Compare(a.ID, b.ID) })
	return all
}

var accountID = regexp.MustCompile(`^\d{12}$`)

// Create makes an account; one that exists is answered as it is.
func (s *Service) Create(id string) (Account, error) {
	if !accountID.MatchString(id) || id == RootAccount {
		return Account{}, lambda.Errorf(lambda.InvalidParameterValue, "%q can't be an account: it takes 12 digits, and not %s.", id, RootAccount)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, there := s.accounts[id]; there {
		return a, nil
	}
	a := Account{ID: id, CreatedAt: s.clock()}
	record, err := json.Marshal(a)
	if err != nil {
		return Account{}, fmt.Errorf("account: %w", err)
	}
	var b kv.Batch
	b.Set(kv.Key(kv.Account, id), record)
	if err := s.store.Commit(&b, kv.Synced); err != nil {
		return Account{}, err
	}
	s.accounts[id] = a
	return a, nil
}

// Delete removes an account and its keys: nobody can act for it any more. What it owns stays.
func (s *Service) Delete(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.accounts[id]; !there {
		return notFound(id)
	}
	b := kv.Batch{Urgency: kv.Progress}
	b.Delete(kv.Key(kv.Account, id))
	for _, k := range s.keys {
		if k.Account == id {
			b.Delete(kv.Key(kv.AccessKey, k.AccessKey))
		}
	}
	if err := s.store.Commit(&b, kv.Synced); err != nil {
		return err
	}
	delete(s.accounts, id)
	for name, k := range s.keys {
		if k.Account == id {
			delete(s.keys, name)
		}
	}
	return nil
}

// Keys lists an account's keys, oldest first, without their secrets.
func (s *Service) Keys(account string) ([]Key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.mustExist(account); err != nil {
		return nil, err
	}
	all := []Key{}
	for _, k := range s.keys {
		if k.Account == account {
			k.Secret = ""
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.AccessKey, b.AccessKey))
	})
	return all, nil
}

// CreateKey makes a key, with its secret, which is answered this once.
func (s *Service) CreateKey(account string) (Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustExist(account); err != nil {
		return Key{}, err
	}
	k := s.newKey(account)
	return k, s.put(k)
}

// DeleteKey removes a key. The root key stays, or nobody could act for the installation.
func (s *Service) DeleteKey(account, accessKey string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, there := s.keys[accessKey]
	if !there || k.Account != account {
		return lambda.Errorf(lambda.ResourceNotFound, "Account %s has no access key %s.", account, accessKey)
	}
	if k.Root {
		return lambda.Errorf(lambda.ResourceConflict, "The root key can't be deleted.")
	}
	b := kv.Batch{Urgency: kv.Progress}
	b.Delete(kv.Key(kv.AccessKey, accessKey))
	if err := s.store.Commit(&b, kv.Synced); err != nil {
		return err
	}
	delete(s.keys, accessKey)
	return nil
}

// Lookup answers what a signature is verified with, or UnrecognizedClient.
func (s *Service) Lookup(accessKey string) (secret, account string, root bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, there := s.keys[accessKey]
	if !there {
		return "", "", false, lambda.Errorf(lambda.UnrecognizedClient, "The security token included in the request is invalid.")
	}
	return k.Secret, k.Account, k.Root, nil
}

func (s *Service) mustExist(account string) error {
	if _, there := s.accounts[account]; !there && account != RootAccount {
		return notFound(account)
	}
	return nil
}

func notFound(account string) error {
	return lambda.Errorf(lambda.ResourceNotFound, "There is no account %s.", account)
}

func (s *Service) put(k Key) error {
	record, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	var b kv.Batch
	b.Set(kv.Key(kv.AccessKey, k.AccessKey), record)
	if err := s.store.Commit(&b, kv.Synced); err != nil {
		return err
	}
	s.keys[k.AccessKey] = k
	return nil
}

// newKey makes a key in AWS's form: AKIA and 16 characters, with a secret of 240 random bits.
func (s *Service) newKey(account string) Key {
	var id [10]byte
	var secret [30]byte
	rand.Read(id[:]) // never fails: it ends the process instead
	rand.Read(secret[:])
	return Key{
		AccessKey: "AKIA" + base32.StdEncoding.EncodeToString(id[:]),
		Secret:    base64.StdEncoding.EncodeToString(secret[:]),
		Account:   account,
		CreatedAt: s.clock(),
	}
}

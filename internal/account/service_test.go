package account

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lambent.dev/lambent/internal/clock"
	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
	"lambent.dev/lambent/internal/store"
)

func open(t *testing.T, s kv.Store) *Service {
	t.Helper()
	a, err := New(s, clock.System)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newStore(t *testing.T) kv.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "/s", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestTheRootKeyIsMadeOnce(t *testing.T) {
	s := newStore(t)
	first, made, err := open(t, s).Root()
	if err != nil || !made || len(first.AccessKey) != 20 || !strings.HasPrefix(first.AccessKey, "AKIA") || len(first.Secret) != 40 {
		t.Fatalf("%+v, %v, %v", first, made, err)
	}
	a := open(t, s)
	again, made, err := a.Root()
	if err != nil || made || again.AccessKey != first.AccessKey || again.Secret != first.Secret {
		t.Fatalf("%+v, %v, %v", again, made, err)
	}
	if secret, account, root, err := a.Lookup(first.AccessKey); err != nil || secret != first.Secret || account != RootAccount || !root {
		t.Errorf("looked up %s, %v, %v", account, root, err)
	}
	if err := a.DeleteKey(RootAccount, first.AccessKey); lambda.KindOf(err) != lambda.ResourceConflict {
		t.Errorf("the root key: %v", err)
	}
}

func TestAccountsAndKeys(t *testing.T) {
	s := newStore(t)
	a := open(t, s)
	for _, bad := range []string{"", "1", "12345678901x", "1234567890123", RootAccount} {
		if _, err := a.Create(bad); lambda.KindOf(err) != lambda.InvalidParameterValue {
			t.Errorf("account %q: %v", bad, err)
		}
	}
	const id = "123456789012"
	if _, err := a.CreateKey(id); lambda.KindOf(err) != lambda.ResourceNotFound {
		t.Errorf("a key for nobody: %v", err)
	}
	made, err := a.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.Create(id); err != nil || again != made {
		t.Errorf("created twice: %+v, %v", again, err)
	}
	k, err := a.CreateKey(id)
	if err != nil {
		t.Fatal(err)
	}
	a = open(t, s)
	if secret, account, root, err := a.Lookup(k.AccessKey); err != nil || secret != k.Secret || account != id || root {
		t.Errorf("looked up %s, %v, %v", account, root, err)
	}
	if keys, err := a.Keys(id); err != nil || len(keys) != 1 || keys[0].Secret != "" {
		t.Errorf("keys %+v, %v", keys, err)
	}
	if err := a.DeleteKey("210987654321", k.AccessKey); lambda.KindOf(err) != lambda.ResourceNotFound {
		t.Errorf("another account's key: %v", err)
	}
	if err := a.Delete(id); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*Service{a, open(t, s)} {
		if _, _, _, err := a.Lookup(k.AccessKey); lambda.KindOf(err) != lambda.UnrecognizedClient {
			t.Errorf("a key of a deleted account: %v", err)
		}
		if got := a.Accounts(); len(got) != 0 {
			t.Errorf("accounts %+v", got)
		}
	}
}

func TestWriteCredentials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root-credentials")
	for _, secret := range []string{"one", "two"} {
		if err := WriteCredentials(path, Key{AccessKey: "AKIA", Secret: secret}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || string(text) != "[default]\naws_access_key_id = AKIA\naws_secret_access_key = "+secret+"\n" {
			t.Errorf("%q, %v", text, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

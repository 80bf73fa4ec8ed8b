package function

import (
	"maps"
	"slices"
	"strconv"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Code is a package that is already kept.
type Code struct {
	SHA256   string // base64
	ZipBytes int64
}

// Create is what CreateFunction asks for.
type Create struct {
	Function      lambda.FunctionID
	Settings      Settings
	Architectures []string
	Code          Code
	Tags          map[string]string
	Publish       bool
}

// CheckCreate answers what Create would refuse, without looking at the code.
func (s *Service) CheckCreate(in Create) error {
	if _, err := s.draft(in); err != nil {
		return kinded(err)
	}
	e, err := s.known(in.Function)
	if err == nil && e != nil {
		err = alreadyExists(in.Function)
	}
	return kinded(err)
}

func alreadyExists(fn lambda.FunctionID) error {
	return lambda.Errorf(lambda.ResourceConflict, "Function already exist: %s", fn.Name)
}

// draft answers the configuration of a function that is to be made.
func (s *Service) draft(in Create) (lambda.Configuration, error) {
	c := fresh(in.Function, s.options.Architecture)
	if err := s.prepare(&c, &in.Settings, in.Architectures); err != nil {
		return c, err
	}
	if c.Runtime == "" || c.Handler == "" {
		return c, invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	return c, checkTags(nil, in.Tags)
}

// Create makes a function and answers it as its creator sees it, or its first version where it
// is published at once.
func (s *Service) Create(in Create) (*lambda.Configuration, error) {
	c, err := s.draft(in)
	if err != nil {
		return nil, kinded(err)
	}
	c.CodeSHA256, c.CodeBytes = in.Code.SHA256, in.Code.ZipBytes
	now := s.clock()
	var answer *lambda.Configuration
	err = s.mutate(in.Function, func(ch *change) error {
		if ch.record != nil {
			return alreadyExists(in.Function)
		}
		next, err := get[uint64](s.store, kv.FunctionKey(kv.NextVersion, in.Function))
		if err != nil {
			return err
		}
		if next == nil {
			first := uint64(1)
			next = &first
		}
		settled(&c, now, s.newID())
		ch.record = &record{Latest: c, Tags: maps.Clone(in.Tags), NextVersion: *next}
		ch.functions, ch.codeBytes = 1, c.CodeBytes
		seen := ch.Latest
		if in.Publish {
			if seen, err = s.publish(ch, nil); err != nil {
				return err
			}
		}
		answer = created(seen, s.newID())
		if err := s.checkCodeBytes(ch); err != nil {
			return err
		}
		return ch.save()
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// prepare checks and sets everything that needs no look at the store.
func (s *Service) prepare(c *lambda.Configuration, in *Settings, architectures []string) error {
	if err := in.apply(c); err != nil {
		return err
	}
	if in.Runtime != nil {
		if _, err := s.runtimes.Supports(*in.Runtime); err != nil {
			if k := lambda.KindOf(err); k == lambda.InvalidRuntime {
				return &lambda.Error{Kind: lambda.InvalidParameterValue, Message: err.Error(), Err: err}
			}
			return err
		}
	}
	return s.setArchitectures(c, architectures)
}

func (s *Service) setArchitectures(c *lambda.Configuration, architectures []string) error {
	for _, a := range architectures {
		if a != s.options.Architecture {
			return invalid("Architecture %s is not offered: this host runs %s.", a, s.options.Architecture)
		}
	}
	if len(architectures) > 0 {
		c.Architectures = slices.Clone(architectures)
	}
	return nil
}

func (s *Service) checkCodeBytes(ch *change) error {
	fn := ch.Latest.Function
	if ch.codeBytes > 0 && s.total(fn.Account, fn.Region).codeBytes+ch.codeBytes > s.options.CodeBytes {
		return lambda.Errorf(lambda.CodeStorageExceeded, "Code storage limit exceeded.")
	}
	return nil
}

// UpdateCode is what UpdateFunctionCode asks for.
type UpdateCode struct {
	Code          Code
	Architectures []string
	RevisionID    string
	Publish       bool
	DryRun        bool // checks, answers, and changes nothing
}

// UpdateCode replaces a function's code and answers it as its caller sees it.
func (s *Service) UpdateCode(fn lambda.FunctionID, in UpdateCode) (*lambda.Configuration, error) {
	return s.update(fn, in.RevisionID, in.DryRun, func(ch *change) error {
		if err := s.setArchitectures(&ch.Latest, in.Architectures); err != nil {
			return err
		}
		ch.codeBytes += in.Code.ZipBytes - ch.Latest.CodeBytes
		ch.Latest.CodeSHA256, ch.Latest.CodeBytes = in.Code.SHA256, in.Code.ZipBytes
		return nil
	}, in.Publish)
}

// UpdateSettings is what UpdateFunctionConfiguration does; its answer is as its caller sees it.
func (s *Service) UpdateSettings(fn lambda.FunctionID, in Settings, revisionID string) (*lambda.Configuration, error) {
	return s.update(fn, revisionID, false, func(ch *change) error {
		return s.prepare(&ch.Latest, &in, nil)
	}, false)
}

func (s *Service) update(fn lambda.FunctionID, revisionID string, dryRun bool, f func(*change) error, publish bool) (*lambda.Configuration, error) {
	now := s.clock()
	var answer *lambda.Configuration
	err := s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		if err := checkRevision(revisionID, ch.Latest.RevisionID); err != nil {
			return err
		}
		if err := f(ch); err != nil {
			return err
		}
		if dryRun {
			answer = &ch.Latest
			return s.checkCodeBytes(ch)
		}
		settled(&ch.Latest, now, s.newID())
		seen := ch.Latest
		if publish {
			var err error
			if seen, err = s.publish(ch, nil); err != nil {
				return err
			}
		}
		answer = updated(seen, s.newID())
		if err := s.checkCodeBytes(ch); err != nil {
			return err
		}
		return ch.save()
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// Delete removes a function with its versions, aliases and configurations, or one version where
// the qualifier names it. A version that is not there is no error, as on AWS.
func (s *Service) Delete(fn lambda.FunctionID, qualifier string) error {
	switch {
	case qualifier == lambda.Latest:
		return invalid("$LATEST version cannot be deleted without deleting the function.")
	case qualifier != "" && versionNumber(qualifier) == 0:
		return invalid("Deletion of aliases is not currently supported.")
	case qualifier != "":
		return s.deleteVersion(fn, qualifier)
	}
	s.reserve.Lock()
	defer s.reserve.Unlock()
	return s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		ch.Urgency = kv.Progress
		ch.functions, ch.codeBytes, ch.reserved = -1, -ch.Latest.CodeBytes, -reservedOf(ch.record)
		for pair, err := range s.store.Scan(kv.Prefix(kv.FunctionKey(kv.Version, fn))) {
			if err != nil {
				return err
			}
			v, err := decode[lambda.Configuration](pair.Value)
			if err != nil {
				return err
			}
			ch.codeBytes -= v.CodeBytes
		}
		for _, kind := range []string{kv.Version, kv.Alias, kv.InvokeConfig} {
			r := kv.Prefix(kv.FunctionKey(kind, fn))
			ch.DeleteRange(r.From, r.To)
		}
		ch.Batch.Delete(functionKey(fn))
		if ch.NextVersion == 1 {
			return nil
		}
		return set(&ch.Batch, kv.FunctionKey(kv.NextVersion, fn), ch.NextVersion)
	})
}

// List answers a page of an account's functions by name, of all their versions where all is set,
// from after (a token that an earlier page ended with, or "") on, and the next token ("": the end).
func (s *Service) List(account, region string, all bool, after string, limit int) ([]*lambda.Configuration, string, error) {
	prefix := kv.Key(kv.Function, account, region)
	name, number := splitToken(after)
	page := newPage[*lambda.Configuration](limit)
	r := kv.Prefix(prefix)
	r.From = append(append([]byte(nil), prefix...), name...)
	for pair, err := range s.store.Scan(r) {
		if err != nil {
			return nil, "", kinded(err)
		}
		f, err := decode[record](pair.Value)
		if err != nil {
			return nil, "", kinded(err)
		}
		fn := f.Latest.Function
		from := uint64(0)
		if fn.Name == name && after != "" {
			from = number + 1
		}
		if from == 0 && !page.add(&f.Latest, fn.Name+"/0") {
			break
		}
		if all {
			err = s.eachVersion(fn, max(from, 1), func(c *lambda.Configuration) bool { return page.add(c, fn.Name+"/"+c.Version) })
		}
		if err != nil {
			return nil, "", kinded(err)
		}
		if page.full {
			break
		}
	}
	return page.items, page.next(), nil
}

// splitToken reads a name and a version's number; a token from outside may be anything.
func splitToken(token string) (name string, number uint64) {
	for i := range len(token) {
		if token[i] == '/' {
			n, err := strconv.ParseUint(token[i+1:], 10, 63)
			if err != nil {
				return token[:i], 0
			}
			return token[:i], n
		}
	}
	return token, 0
}

// page collects up to limit items and the token of the last one.
type page[T any] struct {
	items []T
	limit int
	last  string
	full  bool // an item did not fit
}

func newPage[T any](limit int) *page[T] { return &page[T]{limit: max(limit, 1)} }

func (p *page[T]) add(item T, token string) bool {
	if len(p.items) == p.limit {
		p.full = true
		return false
	}
	p.items, p.last = append(p.items, item), token
	return true
}

func (p *page[T]) next() string {
	if p.full {
		return p.last
	}
	return ""
}

package function

import (
	"slices"
	"strconv"
	"strings"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Publish is what PublishVersion asks for.
type Publish struct {
	Description *string // nil: $LATEST's
	CodeSHA256  string  // "" or what $LATEST's must be
	RevisionID  string  // "" or what $LATEST's must be
}

// Publish makes a version of $LATEST, or answers the last one where nothing has changed since.
func (s *Service) Publish(fn lambda.FunctionID, in Publish) (*lambda.Configuration, error) {
	var answer lambda.Configuration
	err := s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		if in.CodeSHA256 != "" && in.CodeSHA256 != ch.Latest.CodeSHA256 {
			return invalid("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.",
				in.CodeSHA256, ch.Latest.CodeSHA256)
		}
		if err := checkRevision(in.RevisionID, ch.Latest.RevisionID); err != nil {
			return err
		}
		var err error
		if answer, err = s.publish(ch, in.Description); err != nil || len(ch.Ops) == 0 {
			return err
		}
		if err := s.checkCodeBytes(ch); err != nil {
			return err
		}
		return ch.save()
	})
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

// publish adds a version to the change, or answers the last one and adds nothing.
func (s *Service) publish(ch *change, description *string) (lambda.Configuration, error) {
	sum, err := content(ch.Latest)
	if err != nil {
		return lambda.Configuration{}, err
	}
	fn := ch.Latest.Function
	if ch.Published != "" && ch.PublishedContent == sum {
		last, err := get[lambda.Configuration](s.store, versionKey(fn, versionNumber(ch.Published)))
		if err != nil {
			return lambda.Configuration{}, err
		}
		if last != nil {
			return *last, nil
		}
	}
	v := ch.Latest
	v.Version = strconv.FormatUint(ch.NextVersion, 10)
	v.RevisionID = s.newID()
	assign(&v.Description, description)
	if err := set(&ch.Batch, versionKey(fn, ch.NextVersion), &v); err != nil {
		return lambda.Configuration{}, err
	}
	ch.Published, ch.PublishedContent = v.Version, sum
	ch.NextVersion++
	ch.codeBytes += v.CodeBytes
	return v, nil
}

func (s *Service) deleteVersion(fn lambda.FunctionID, version string) error {
	return s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, version)
		}
		var names []string
		for a, err := range s.aliases(fn, "") {
			if err != nil {
				return err
			}
			if _, weighted := a.Weights[version]; weighted || a.Version == version {
				names = append(names, a.Name)
			}
		}
		if len(names) > 0 {
			return lambda.Errorf(lambda.ResourceConflict,
				"Unable to delete version because the following aliases reference it: [%s]", strings.Join(names, ", "))
		}
		key := versionKey(fn, versionNumber(version))
		v, err := get[lambda.Configuration](s.store, key)
		if err != nil || v == nil {
			return err
		}
		ch.Urgency = kv.Progress
		ch.codeBytes = -v.CodeBytes
		ch.Batch.Delete(key)
		ch.Batch.Delete(kv.FunctionKey(kv.InvokeConfig, fn, version))
		if ch.Published == version {
			ch.Published, ch.PublishedContent = "", ""
		}
		return ch.save()
	})
}

// eachVersion calls f with the published versions from a number on, until f says no.
func (s *Service) eachVersion(fn lambda.FunctionID, from uint64, f func(*lambda.Configuration) bool) error {
	r := kv.Prefix(kv.FunctionKey(kv.Version, fn))
	r.From = versionKey(fn, from)
	for pair, err := range s.store.Scan(r) {
		if err != nil {
			return err
		}
		c, err := decode[lambda.Configuration](pair.Value)
		if err != nil {
			return err
		}
		if !f(c) {
			return nil
		}
	}
	return nil
}

// ListVersions answers a page of a function's versions, $LATEST first, then by number.
func (s *Service) ListVersions(fn lambda.FunctionID, after string, limit int) ([]*lambda.Configuration, string, error) {
	e, err := s.known(fn)
	if err != nil {
		return nil, "", kinded(err)
	}
	if e == nil {
		return nil, "", notFound(fn, "")
	}
	page := newPage[*lambda.Configuration](limit)
	from := versionNumber(after) + 1
	if after == "" {
		page.add(&e.record.Latest, "0")
	}
	err = s.eachVersion(fn, from, func(c *lambda.Configuration) bool { return page.add(c, c.Version) })
	if err != nil {
		return nil, "", kinded(err)
	}
	return page.items, page.next(), nil
}

// versionExists answers an error in AWS's words where a version does not exist.
func (s *Service) versionExists(fn lambda.FunctionID, version string) error {
	if version == lambda.Latest {
		return nil
	}
	n := versionNumber(version)
	if n == 0 {
		return notFound(fn, version)
	}
	v, err := get[lambda.Configuration](s.store, versionKey(fn, n))
	if err == nil && v == nil {
		err = notFound(fn, version)
	}
	return err
}

func sortedKeys(m map[string]float64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

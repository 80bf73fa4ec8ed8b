package function

import (
	"maps"
	"strings"
	"unicode/utf8"

	"lambent.dev/lambent/internal/lambda"
)

// Tags answers a function's tags, which are the caller's.
func (s *Service) Tags(fn lambda.FunctionID) (map[string]string, error) {
	e, err := s.known(fn)
	if err != nil {
		return nil, kinded(err)
	}
	if e == nil {
		return nil, notFound(fn, "")
	}
	return maps.Clone(e.record.Tags), nil
}

// Tag adds tags; a key that is there gets the new value.
func (s *Service) Tag(fn lambda.FunctionID, tags map[string]string) error {
	return s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		if err := checkTags(ch.Tags, tags); err != nil {
			return err
		}
		if ch.Tags == nil {
			ch.Tags = map[string]string{}
		}
		maps.Copy(ch.Tags, tags)
		return ch.save()
	})
}

// Untag removes tags; a key that is not there is no error.
func (s *Service) Untag(fn lambda.FunctionID, keys []string) error {
	return s.mutate(fn, func(ch *change) error {
		if ch.record == nil {
			return notFound(fn, "")
		}
		for _, key := range keys {
			delete(ch.Tags, key)
		}
		return ch.save()
	})
}

// checkTags checks what adding tags to others gives.
func checkTags(old, added map[string]string) error {
	count := len(old)
	for key, value := range added {
		if _, there := old[key]; !there {
			count++
		}
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			return invalid("The tag key %q is not valid: it must have 1 to 128 characters.", key)
		case utf8.RuneCountInString(value) > 256:
			return invalid("The value of tag %q is longer than 256 characters.", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("The tag key %q is not valid: aws: is a reserved prefix.", key)
		}
	}
	if count > lambda.MaxTags {
		return invalid("Number of tags exceeds resource tag limit.")
	}
	return nil
}

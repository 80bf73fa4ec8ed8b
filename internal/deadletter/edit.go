package deadletter

import (
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"lambent.dev/lambent/internal/kv"
	"lambent.dev/lambent/internal/lambda"
)

// Change replaces a payload: by a whole text, or by a JSON merge patch (RFC 7396). Exactly one is set.
type Change struct {
	Payload []byte
	Patch   json.RawMessage
}

// Edit changes a letter's payload and keeps the one before. by says who, for the record.
func (s *Store) Edit(account, id string, c Change, by string) (*Letter, error) {
	defer s.own(account)()
	l, err := s.Get(account, id)
	if err != nil {
		return nil, err
	}
	payload, err := c.apply(l.Payload)
	if err != nil {
		return nil, err
	}
	if err := l.edit(payload, s.now(), by); err != nil {
		return nil, err
	}
	b := &kv.Batch{Urgency: kv.Growth}
	b.Set(kv.Key(kv.LetterBody, account, id), encodeBody(l))
	b.Set(kv.Key(kv.LetterPayload, account, id), l.Payload)
	if err := s.kv.Commit(b, kv.Synced); err != nil {
		return nil, committed(err)
	}
	return l, nil
}

// committed gives a failed commit its kind.
func committed(err error) error {
	var known *lambda.Error
	if errors.As(err, &known) {
		return err
	}
	return &lambda.Error{Kind: lambda.Internal, Message: "Dead letters cannot be changed.", Err: err}
}

// apply answers the payload after the change.
func (c Change) apply(payload []byte) ([]byte, error) {
	switch {
	case (c.Payload != nil) == (c.Patch != nil):
		return nil, lambda.Errorf(lambda.InvalidParameterValue, "Give either a payload or a patch.")
	case c.Patch != nil:
		return merge(payload, c.Patch)
	case len(c.Payload) > lambda.MaxAsyncPayloadBytes:
		return nil, tooLarge(len(c.Payload))
	case !json.Valid(c.Payload) || !utf8.Valid(c.Payload):
		return nil, lambda.Errorf(lambda.InvalidRequestContent, "The payload is not valid JSON.")
	}
	return c.Payload, nil
}

func tooLarge(n int) error {
	return lambda.Errorf(lambda.RequestTooLarge, "The payload would have %d bytes; an event has at most %d.", n, lambda.MaxAsyncPayloadBytes)
}

// edit replaces the payload and records the one before. An equal payload is no edit.
func (l *Letter) edit(payload []byte, now time.Time, by string) error {
	if string(payload) == string(l.Payload) {
		return nil
	}
	kept := len(l.Payload)
	for _, e := range l.Provenance.Edits {
		kept += len(e.Payload)
	}
	if len(l.Provenance.Edits) >= MaxEdits || kept > maxEditBytes {
		return lambda.Errorf(lambda.ResourceConflict,
			"Dead letter %s keeps %d earlier payloads of %d bytes, all that it may (%d, %d).", l.ID, len(l.Provenance.Edits), kept-len(l.Payload), MaxEdits, maxEditBytes)
	}
	l.Provenance.Edits = append(l.Provenance.Edits, lambda.Edit{At: now, By: by, Payload: string(l.Payload)})
	l.Payload = payload
	return nil
}

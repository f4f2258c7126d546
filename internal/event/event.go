package event

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/saltern-io/saltern/internal/wire"
)

// Errors that callers decide on.
var (
	ErrTag       = errors.New("event tag is empty, not UTF-8, or has a line feed where none can be")
	ErrData      = errors.New("event data is not a MessagePack map")
	ErrBadEvent  = errors.New("frame without a usable event") // the connection can go on
	ErrFrameSize = errors.New("frame is larger than allowed")
	ErrFraming   = errors.New("bytes that no frame begins with")
	ErrEventSize = errors.New("event is larger than max_event_size and cannot be trimmed")
)

// stampKey is the key that every event carries.
const stampKey = "_stamp"

// Event is one message on the bus.
type Event struct {
	Tag  string
	Data []byte // a MessagePack map in Local mode, _stamp included; shared by all readers: never change it
}

// Stamp is t as events carry it: UTC, ISO 8601, always six digits, no zone (spec: event-bus §2.1).
func Stamp(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}

// New makes an event of data, which is not changed; its _stamp is now, in the place of an older one if there is
// one, else last. It returns ErrTag or an error of the encoder.
func New(tag string, data *wire.Map, now time.Time) (Event, error) {
	if err := CheckTag(tag); err != nil {
		return Event{}, err
	}
	packed, err := appendStamped(nil, data, Stamp(now))
	if err != nil {
		return Event{}, fmt.Errorf("encode event %q: %w", tag, err)
	}
	return Event{Tag: tag, Data: packed}, nil
}

// CheckTag returns ErrTag for a tag that cannot travel in a frame. (A line feed at its end would become part of the
// separator; stock readers fail on text that is not UTF-8.)
func CheckTag(tag string) error {
	if tag == "" || strings.Contains(tag, separator) || strings.HasSuffix(tag, "\n") || !utf8.ValidString(tag) {
		return ErrTag
	}
	return nil
}

func appendStamped(dst []byte, data *wire.Map, stamp string) ([]byte, error) {
	n, stamped := data.Len(), data.Has(stampKey)
	if !stamped {
		n++
	}
	dst = wire.AppendMapHeader(dst, n)
	var err error
	for k, v := range data.All() {
		if k == stampKey {
			v = stamp
		}
		if dst, err = wire.Append(dst, k, wire.Local); err != nil {
			return nil, err
		}
		if dst, err = wire.Append(dst, v, wire.Local); err != nil {
			return nil, err
		}
	}
	if !stamped {
		dst = wire.AppendStr(dst, stampKey, wire.Local)
		dst = wire.AppendStr(dst, stamp, wire.Local)
	}
	return dst, nil
}

// Map decodes the data.
func (e Event) Map() (*wire.Map, error) {
	m, err := wire.DecodeMap(e.Data, wire.Local, wire.LoadLimits)
	if err != nil {
		return nil, fmt.Errorf("decode event %q: %w", e.Tag, err)
	}
	return m, nil
}

// parseBody splits a frame's body into a checked event. The result does not alias body.
func parseBody(body []byte) (Event, error) {
	tag, _, found := bytes.Cut(body, []byte(separator))
	if !found || len(tag) == 0 || !utf8.Valid(tag) {
		return Event{}, fmt.Errorf("%w: %w", ErrBadEvent, ErrTag)
	}
	e := Event{Tag: string(tag), Data: bytes.Clone(body[len(tag)+len(separator):])}
	if err := wire.Check(e.Data, wire.LoadLimits); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrBadEvent, err)
	}
	if !wire.IsMap(e.Data) {
		return Event{}, fmt.Errorf("%w: %w", ErrBadEvent, ErrData)
	}
	return e, nil
}

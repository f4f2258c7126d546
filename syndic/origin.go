package syndic

import (
	"slices"
	"strconv"

	"github.com/saltern-io/saltern/internal/wire"
)

// event makes the event that goes up from one of the local bus; ok is false when it must not go there. What a syndic
// below forwarded keeps its origin, with this syndic added to its path:
//
//	own id in the path                  it was here: masters that are each other's syndics would pass it on for ever
//	marked as the copy                  its other form, with the prefix, goes up
//	path as long as it may be           it must be going in circles
func (f *Forwarder) event(tag string, data []byte) (e Event, ok bool) {
	e = Event{Tag: tag, Data: wire.Transcode(nil, data, wire.Wire)}
	raw, marked := wire.Field(e.Data, wire.KeyEventOrigin)
	if !marked {
		e.Origin = f.origin()
		return e, true
	}
	value, err := wire.Decode(raw, wire.Wire, wire.LoadLimits)
	if err != nil {
		return e, false
	}
	o, err := wire.ParseOrigin(value)
	if err != nil {
		// Anybody may put such a key into an event: it is data then.
		e.Origin = f.origin()
		return e, true
	}
	if o.Copy || slices.Contains(o.Path, f.id) || len(o.Path) >= wire.MaxPath {
		return e, false
	}
	e.Key = "e\x00" + o.ID + "\x00" + strconv.FormatInt(o.N, 36)
	o.Path = append(o.Path, f.id)
	e.Data = withoutKey(e.Data, wire.KeyEventOrigin)
	e.Origin, err = wire.Encode(o.Map(), wire.Wire)
	return e, err == nil
}

// origin is the mark of an event that is forwarded here first; nil when there are no numbers.
func (f *Forwarder) origin() []byte {
	if f.number == nil {
		return nil
	}
	o, err := wire.Encode(wire.Origin{ID: f.id, N: f.number(), Path: []string{f.id}}.Map(), wire.Wire)
	if err != nil {
		return nil // cannot be: strings and a number
	}
	return o
}

// withoutKey copies a checked map but for one key.
func withoutKey(raw []byte, drop string) []byte {
	body := make([]byte, 0, len(raw))
	n, plain := 0, true
	_ = wire.ScanMap(raw, func(key, val []byte) error { // a checked map, and the function never fails
		if key == nil {
			plain = false
			return nil
		}
		if string(key) == drop {
			return nil
		}
		n++
		body = append(wire.AppendBytes(body, key, wire.Wire), val...)
		return nil
	})
	if !plain {
		return raw // keys that are no text: left as it is
	}
	return append(wire.AppendMapHeader(make([]byte, 0, len(body)+5), n), body...)
}

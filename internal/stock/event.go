package stock

import (
	"bytes"

	"github.com/vmihailenco/msgpack/v5"
)

// Event is one message of the bus: Data is a msgpack map.
type Event struct {
	Tag  string
	Data []byte
}

// Has reports whether the data has the field.
func (e Event) Has(field string) bool {
	_, ok := e.span(field)
	return ok
}

// Str is a text field of the data; "" when absent or of another type.
func (e Event) Str(field string) string {
	span, ok := e.span(field)
	if !ok {
		return ""
	}
	var text string
	if err := msgpack.Unmarshal(span, &text); err != nil {
		return ""
	}
	return text
}

// Value is a field of the data decoded into plain Go values; nil when absent or undecodable.
func (e Event) Value(field string) any {
	span, ok := e.span(field)
	if !ok {
		return nil
	}
	var value any
	if err := msgpack.Unmarshal(span, &value); err != nil {
		return nil
	}
	return value
}

// span walks the top level only, so that odd values in other fields cannot hide this one.
func (e Event) span(field string) (msgpack.RawMessage, bool) {
	dec := msgpack.NewDecoder(bytes.NewReader(e.Data))
	fields, err := dec.DecodeMapLen()
	if err != nil {
		return nil, false
	}
	for range fields {
		name, err := dec.DecodeString()
		if err != nil {
			return nil, false
		}
		value, err := dec.DecodeRaw()
		if err != nil {
			return nil, false
		}
		if name == field {
			return value, true
		}
	}
	return nil, false
}

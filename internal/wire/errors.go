package wire

import (
	"errors"
	"fmt"
)

// ErrField is wrapped when a field of a load is missing, has the wrong type or is too long.
var ErrField = errors.New("bad field")

// ErrRepeatedField is returned when a field that decides who is meant stands in a load twice. Stock peers
// cannot send that, and two readers could see two different ids.
var ErrRepeatedField = fmt.Errorf("%w: field repeated", ErrField)

// ErrReply is wrapped when the reply to a request is a refusal or of a shape that the request never gets.
var ErrReply = errors.New("unexpected reply")

func errMissing(name string) error { return fmt.Errorf("%w: %s is missing", ErrField, name) }

func errKind(name, want string) error { return fmt.Errorf("%w: %s is not %s", ErrField, name, want) }

func errLong(name string, limit int) error {
	return fmt.Errorf("%w: %s is longer than %d bytes", ErrField, name, limit)
}

// readStr stores a string field.
func readStr(name string, raw []byte, into *string) error {
	s, ok := Str(raw)
	if !ok {
		return errKind(name, "a string")
	}
	*into = s
	return nil
}

// readOptStr stores a string field that may also be nil.
func readOptStr(name string, raw []byte, into *string) error {
	if IsNil(raw) {
		*into = ""
		return nil
	}
	return readStr(name, raw, into)
}

// readBytes stores a field of bytes, copied.
func readBytes(name string, raw []byte, into *[]byte) error {
	b, ok := Bytes(raw)
	if !ok {
		return errKind(name, "bytes")
	}
	*into = append([]byte{}, b...)
	return nil
}

package pki

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxID is the longest id in bytes: the longest file name there is.
const maxID = 255

// CheckID tells whether an id from the wire may be used at all, and so become a file name; if not it
// returns ErrID with the reason. Refused are "", ".", "..", anything with "/", "\" or NUL (spec: auth
// §7.3), control characters, text that is not UTF-8, more than 255 bytes, and ".key_cache", a file stock
// Salt keeps beside the keys. Spaces, non-ASCII text and leading dots are good, though ids with a leading
// dot are never listed.
func CheckID(id string) error {
	switch {
	case id == "" || id == "." || id == ".." || id == ".key_cache":
		return fmt.Errorf("%w: %q", ErrID, id)
	case len(id) > maxID:
		return fmt.Errorf("%w: %d bytes", ErrID, len(id))
	case strings.ContainsAny(id, "/\\"):
		return fmt.Errorf("%w: %q has a path separator", ErrID, id)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w: %q is not UTF-8", ErrID, id)
	case strings.ContainsFunc(id, unicode.IsControl):
		return fmt.Errorf("%w: %q has a control character", ErrID, id)
	}
	return nil
}

// listed tells whether a directory entry of that name counts as a key in listings.
func listed(name string) bool { return name[0] != '.' && CheckID(name) == nil }

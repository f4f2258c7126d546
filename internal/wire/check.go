package wire

import (
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error of Check: the bytes are not one complete, bounded MessagePack value.
var ErrMalformed = errors.New("malformed MessagePack")

// The reasons why Check refuses bytes. All wrap ErrMalformed.
var (
	ErrEmpty     = fmt.Errorf("%w: no bytes", ErrMalformed)
	ErrTruncated = fmt.Errorf("%w: value is cut off", ErrMalformed)
	ErrTrailing  = fmt.Errorf("%w: bytes after the value", ErrMalformed)
	ErrReserved  = fmt.Errorf("%w: reserved code c1", ErrMalformed)
	ErrCount     = fmt.Errorf("%w: more elements declared than bytes left", ErrMalformed)
	ErrDepth     = fmt.Errorf("%w: nested too deeply", ErrMalformed)
	ErrItems     = fmt.Errorf("%w: too many elements", ErrMalformed)
	ErrKey       = fmt.Errorf("%w: map key is a container or not a number", ErrMalformed)
)

// maxDepth bounds Limits.Depth; it is the size of Check's stack, about 1 KiB.
const maxDepth = 256

// maxItems bounds Limits.Items so that a pending count and its flag fit into 32 bits.
const maxItems = 1 << 29

// Limits bounds one MessagePack value.
type Limits struct {
	Depth int // containers inside each other; at most 256
	Items int // values in total, keys included; at most 2^29
}

// The fixed sets of limits.
var (
	// OuterLimits is for what arrives before anybody is authenticated: envelopes and clear loads.
	OuterLimits = Limits{Depth: 64, Items: 1 << 20}
	// LoadLimits is for decrypted loads and for event data.
	LoadLimits = Limits{Depth: 200, Items: 4 << 20}
)

// Check walks b once and returns nil when it is exactly one MessagePack value within lim.
//
// It neither recurses nor allocates, so five bytes that announce four billion elements cost nothing. It
// refuses trailing bytes, the code c1, counts and lengths beyond the bytes left, map keys that are containers or NaN.
// Strings need not be UTF-8 and keys may repeat. The errors are ErrEmpty … ErrKey. Spec: transport §3.2.
func Check(b []byte, lim Limits) error {
	if len(b) == 0 {
		return ErrEmpty
	}
	limDepth, limItems := min(lim.Depth, maxDepth), min(lim.Items, maxItems)
	var stack [maxDepth]uint32
	// cur holds the elements still to come in the current container, shifted by one; bit 0 marks a map.
	depth, items, i, cur := 0, 0, 0, uint32(1)<<1
	for {
		if i >= len(b) {
			return ErrTruncated
		}
		if items++; items > limItems {
			return ErrItems
		}
		n, flag := -1, uint32(0)
		switch c := b[i]; {
		case c < 0x80, c >= 0xe0:
			i++
		case c < 0x90:
			n, flag = int(c&0x0f)*2, 1
			i++
		case c < 0xa0:
			n = int(c & 0x0f)
			i++
		case c < 0xc0:
			i += 1 + int(c&0x1f)
		default:
			kind, size, next := head(b, i)
			switch kind {
			case kindBad:
				return ErrReserved
			case kindShort:
				return ErrTruncated
			case kindList:
				i, n = next, size
			case kindMap:
				i, n, flag = next, size*2, 1
			case kindFloat:
				if cur&3 == 1 && isNaN(b, i) {
					return ErrKey
				}
				i = next + size
			default:
				i = next + size
			}
		}
		if i > len(b) {
			return ErrTruncated
		}
		atKey := cur&3 == 1 // in a map and an even number of elements to come
		cur -= 2
		if n >= 0 {
			switch {
			case atKey:
				return ErrKey
			case n > len(b)-i:
				return ErrCount
			case n > limItems-items:
				return ErrItems
			case depth >= limDepth:
				return ErrDepth
			}
			stack[depth] = cur
			depth++
			cur = uint32(n)<<1 | flag
		}
		for cur < 2 {
			if depth == 0 {
				if i != len(b) {
					return ErrTrailing
				}
				return nil
			}
			depth--
			cur = stack[depth]
		}
	}
}

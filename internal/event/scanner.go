package event

import "fmt"

// scanner finds the end of one MessagePack value that arrives in pieces. It goes on where it stopped, and needs no stack:
// it only counts the values that are still to come. Depth is checked later, on the whole frame.
type scanner struct {
	pos     int // offset of the next value's first byte; may lie beyond what has arrived
	pending int // values still to come
}

func (s *scanner) reset() { *s = scanner{pending: 1} }

// advance goes on in b, which begins where the value begins. done means the value ends at pos. It fails as soon as the
// value cannot fit into limit bytes, or with a code that does not exist.
func (s *scanner) advance(b []byte, limit int) (done bool, err error) {
	for s.pending > 0 && s.pos < len(b) {
		head, lengthBytes := b[s.pos], 0
		children, size := 0, 0
		switch {
		case head <= 0x7f || head >= 0xe0: // small integers
		case head <= 0x8f:
			children = 2 * int(head&0x0f)
		case head <= 0x9f:
			children = int(head & 0x0f)
		case head <= 0xbf:
			size = int(head & 0x1f)
		case head == 0xc1:
			return false, fmt.Errorf("%w: reserved code 0xc1", ErrFraming)
		default:
			lengthBytes, size = layout(head)
		}
		if len(b)-s.pos < 1+lengthBytes {
			return false, nil
		}
		n := 0
		for _, c := range b[s.pos+1 : s.pos+1+lengthBytes] {
			n = n<<8 | int(c)
		}
		switch {
		case lengthBytes == 0:
		case head == 0xdc || head == 0xdd:
			children = n
		case head == 0xde || head == 0xdf:
			children = 2 * n
		default:
			size += n
		}
		s.pos += 1 + lengthBytes + size
		s.pending += children - 1
		// Each value to come takes a byte at least.
		if s.pos > limit || s.pending > limit-s.pos {
			return false, fmt.Errorf("%w: more than %d bytes", ErrFrameSize, limit)
		}
	}
	return s.pending == 0 && s.pos <= len(b), nil
}

// layout tells, for the codes c0 and c2 to df, how many bytes of length follow and how many fixed bytes beside that length.
func layout(code byte) (lengthBytes, fixed int) {
	switch code {
	case 0xc4, 0xd9: // bin8, str8
		return 1, 0
	case 0xc5, 0xda, 0xdc, 0xde: // bin16, str16, list16, map16
		return 2, 0
	case 0xc6, 0xdb, 0xdd, 0xdf: // the same with 32 bits
		return 4, 0
	case 0xc7: // ext8: the type follows the length
		return 1, 1
	case 0xc8:
		return 2, 1
	case 0xc9:
		return 4, 1
	case 0xcc, 0xd0: // integers of 8 bits
		return 0, 1
	case 0xcd, 0xd1, 0xd4: // 16 bits; fixext1
		return 0, 2
	case 0xd5:
		return 0, 3
	case 0xca, 0xce, 0xd2: // 32 bits
		return 0, 4
	case 0xd6:
		return 0, 5
	case 0xcb, 0xcf, 0xd3: // 64 bits
		return 0, 8
	case 0xd7:
		return 0, 9
	case 0xd8:
		return 0, 17
	}
	return 0, 0 // nil, false, true
}

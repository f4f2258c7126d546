package jobcache

import (
	"encoding/binary"
	"fmt"
)

// A minion list on disk is a MessagePack list of raw strings in the old spec (no str8, no bin), which is what
// every release of stock reads (spec: job-cache §2). This file is all the MessagePack that the package knows.

// appendRawList encodes list with the shortest headers.
func appendRawList(dst []byte, list []string) []byte {
	dst = appendHeader(dst, len(list), 0x90, 15, 0xdc)
	for _, s := range list {
		dst = appendHeader(dst, len(s), 0xa0, 31, 0xda)
		dst = append(dst, s...)
	}
	return dst
}

// appendHeader writes a length as fix (up to fixMax), 16 bits (code16) or 32 bits (code16+1).
func appendHeader(dst []byte, n int, fix byte, fixMax int, code16 byte) []byte {
	switch {
	case n <= fixMax:
		return append(dst, fix|byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, code16), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, code16+1), uint32(n))
	}
}

// parseRawList reads such a list; also str8 and bin, which other writers may use.
func parseRawList(b []byte) ([]string, error) {
	n, b, ok := takeHeader(b, 0x90, 0xf0, map[byte]int{0xdc: 2, 0xdd: 4})
	if !ok || n > len(b) {
		return nil, fmt.Errorf("%w: not a list of ids", ErrRecord)
	}
	list := make([]string, 0, n)
	for range n {
		size, rest, ok := takeHeader(b, 0xa0, 0xe0, map[byte]int{0xd9: 1, 0xda: 2, 0xdb: 4, 0xc4: 1, 0xc5: 2, 0xc6: 4})
		if !ok || size > len(rest) {
			return nil, fmt.Errorf("%w: not a list of ids", ErrRecord)
		}
		list = append(list, string(rest[:size]))
		b = rest[size:]
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: bytes after the list of ids", ErrRecord)
	}
	return list, nil
}

// takeHeader reads a length: fix under mask, or one of codes followed by so many bytes.
func takeHeader(b []byte, fix, mask byte, codes map[byte]int) (n int, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	if b[0]&mask == fix {
		return int(b[0] &^ mask), b[1:], true
	}
	size, known := codes[b[0]]
	if !known || len(b) < 1+size {
		return 0, nil, false
	}
	for _, c := range b[1 : 1+size] {
		n = n<<8 | int(c)
	}
	return n, b[1+size:], true
}

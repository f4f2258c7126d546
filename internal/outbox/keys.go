package outbox

import (
	"encoding/binary"
	"time"
)

// Fixed keys and first bytes; see doc.go for the layout.
const (
	formatKey    = "m/format"
	formatValue  = "1"
	factCountKey = "m/facts"

	prefixName  = 'n'
	prefixQueue = 'q'
	prefixFact  = 'f'
	prefixDue   = 't'

	partCounters = 'c'
	partKey      = 'd'
	partKeyAge   = 'e'
	partItem     = 'i'
)

func appendPart(dst []byte, id uint32, part byte) []byte {
	dst = append(dst, prefixQueue)
	return append(binary.BigEndian.AppendUint32(dst, id), part)
}

func appendItemKey(dst []byte, id uint32, kind uint8, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(appendPart(dst, id, partItem), kind), seq)
}

func appendDedupKey(dst []byte, id uint32, key string) []byte {
	return append(appendPart(dst, id, partKey), key...)
}

func appendDedupAge(dst []byte, id uint32, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(appendPart(dst, id, partKeyAge), seq)
}

func appendFactKey(dst []byte, key string) []byte {
	return append(append(dst, prefixFact), key...)
}

func appendDueKey(dst []byte, expires uint64, key string) []byte {
	return append(binary.BigEndian.AppendUint64(append(dst, prefixDue), expires), key...)
}

// lastSeq reads the seq at the end of an item's or an age entry's key.
func lastSeq(key []byte) uint64 {
	if len(key) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key[len(key)-8:])
}

// prefixEnd is the first key behind all keys that start with prefix; nil when there is no end.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// nanos is a time as it stands on disk. Times before 1970 count as 1970.
func nanos(t time.Time) uint64 {
	return uint64(max(t.UnixNano(), 0))
}

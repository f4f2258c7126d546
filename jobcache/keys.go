package jobcache

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Kinds of records under one job, in the order in which a scan meets them.
const (
	kindJob     = 'a'
	kindEndTime = 'e'
	kindReturn  = 'r'
	kindSyndic  = 's'
)

const (
	formatKey   = "m/format"
	formatValue = "1"

	prefixJob     = "j/"
	prefixArrival = "t/"
	prefixAlive   = "x/"

	prefixEntry       = "p/p/"
	prefixEpoch       = "p/e/"
	journalDroppedKey = "p/t"

	prefixChange = "o/"
)

// appendJobPrefix is what every key of a job starts with.
func appendJobPrefix(dst []byte, jid string) []byte {
	dst = append(dst, prefixJob...)
	dst = append(dst, jid...)
	return append(dst, 0)
}

func appendJobKey(dst []byte, jid string, kind byte, id string) []byte {
	dst = append(appendJobPrefix(dst, jid), kind)
	return append(dst, id...)
}

// jobRange returns the bounds [lower, upper) of all keys of a job.
func jobRange(jid string) (lower, upper []byte) {
	lower = appendJobPrefix(nil, jid)
	upper = bytes.Clone(lower)
	upper[len(upper)-1] = 1
	return lower, upper
}

// kindRange returns the bounds of the keys of one kind of a job.
func kindRange(jid string, kind byte) (lower, upper []byte) {
	return appendJobKey(nil, jid, kind, ""), appendJobKey(nil, jid, kind+1, "")
}

func appendTimeKey(dst []byte, prefix string, at time.Time, jid string) []byte {
	dst = append(dst, prefix...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(at.UnixNano()))
	return append(dst, jid...)
}

// parseTimeKey splits a key of one of the two time indexes; ok is false for anything else.
func parseTimeKey(prefix string, key []byte) (at time.Time, jid string, ok bool) {
	rest, found := bytes.CutPrefix(key, []byte(prefix))
	if !found || len(rest) <= 8 {
		return time.Time{}, "", false
	}
	at = time.Unix(0, int64(binary.BigEndian.Uint64(rest))).UTC()
	return at, string(rest[8:]), true
}

// timeBounds returns the range of an index from (inclusive) to to (exclusive).
func timeBounds(prefix string, from, to time.Time) (lower, upper []byte) {
	return appendTimeKey(nil, prefix, from, ""), appendTimeKey(nil, prefix, to, "")
}

// prefixBounds returns the whole range of an index.
func prefixBounds(prefix string) (lower, upper []byte) {
	lower = []byte(prefix)
	upper = []byte(prefix)
	upper[len(upper)-1]++
	return lower, upper
}

package outbox

import (
	"encoding/binary"
	"fmt"
	"time"
)

const recordVersion = 1

// appendItem encodes a waiting item: 01 time(8) uv(len) key body.
func appendItem(dst []byte, it *Item, now time.Time) []byte {
	dst = append(dst, recordVersion)
	dst = binary.BigEndian.AppendUint64(dst, nanos(now))
	dst = append(binary.AppendUvarint(dst, uint64(len(it.Key))), it.Key...)
	return append(dst, it.Body...)
}

// itemView is a decoded item whose parts alias the record.
type itemView struct {
	stored    time.Time
	key, body []byte
}

func (v *itemView) size() int64 { return int64(len(v.key) + len(v.body) + ItemOverhead) }

func decodeItem(b []byte) (itemView, error) {
	d := recordReader{rest: b}
	d.version()
	v := itemView{stored: d.time(), key: d.bytes()}
	if d.bad || len(v.key) > MaxKey {
		return itemView{}, fmt.Errorf("%w: item", ErrRecord)
	}
	v.body = d.rest
	return v, nil
}

// appendAge encodes the value of an age entry: time(8) key.
func appendAge(dst []byte, now time.Time, key string) []byte {
	return append(binary.BigEndian.AppendUint64(dst, nanos(now)), key...)
}

func decodeAge(b []byte) (at time.Time, key []byte, err error) {
	d := recordReader{rest: b}
	at = d.time()
	if d.bad || len(d.rest) == 0 || len(d.rest) > MaxKey {
		return time.Time{}, nil, fmt.Errorf("%w: age entry of a key", ErrRecord)
	}
	return at, d.rest, nil
}

// appendFact encodes a fact: 01 expires(8) value.
func appendFact(dst []byte, expires uint64, value []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, recordVersion), expires)
	return append(dst, value...)
}

func decodeFact(b []byte) (expires uint64, value []byte, err error) {
	d := recordReader{rest: b}
	d.version()
	expires = d.uint64()
	if d.bad {
		return 0, nil, fmt.Errorf("%w: fact", ErrRecord)
	}
	return expires, d.rest, nil
}

// appendState encodes a queue's state: 01, then uvarints: seq, keys, keyHead, the counters in the order of
// their fields, the number of lanes, and head, items, bytes of each.
func appendState(dst []byte, st *queueState) []byte {
	dst = append(dst, recordVersion)
	for _, n := range []uint64{st.seq, uint64(st.keys), st.keyHead} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, n := range st.counts.fields() {
		dst = binary.AppendUvarint(dst, *n)
	}
	dst = binary.AppendUvarint(dst, MaxKinds)
	for i := range st.lanes {
		l := &st.lanes[i]
		dst = binary.AppendUvarint(dst, l.head)
		dst = binary.AppendUvarint(dst, uint64(l.items))
		dst = binary.AppendUvarint(dst, uint64(l.bytes))
	}
	return dst
}

func decodeState(b []byte) (queueState, error) {
	d := recordReader{rest: b}
	d.version()
	st := queueState{seq: d.uvarint(), keys: d.count(), keyHead: d.uvarint()}
	for _, n := range st.counts.fields() {
		*n = d.uvarint()
	}
	if d.uvarint() != MaxKinds {
		d.fail()
	}
	for i := range st.lanes {
		st.lanes[i] = lane{head: d.uvarint(), items: d.count(), bytes: d.count()}
	}
	if d.bad || len(d.rest) != 0 {
		return queueState{}, fmt.Errorf("%w: state of a queue", ErrRecord)
	}
	return st, nil
}

// recordReader takes fields off a value. After the first fault every field is zero and bad is set, so
// that a decoder checks once, at its end.
type recordReader struct {
	rest []byte
	bad  bool
}

func (d *recordReader) fail() {
	d.bad, d.rest = true, nil
}

func (d *recordReader) version() {
	if len(d.rest) == 0 || d.rest[0] != recordVersion {
		d.fail()
		return
	}
	d.rest = d.rest[1:]
}

func (d *recordReader) uint64() uint64 {
	if len(d.rest) < 8 {
		d.fail()
		return 0
	}
	n := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return n
}

func (d *recordReader) time() time.Time {
	return time.Unix(0, int64(d.uint64())).UTC()
}

func (d *recordReader) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count is a uvarint that fits an int64.
func (d *recordReader) count() int64 {
	n := int64(d.uvarint())
	if n < 0 {
		d.fail()
		return 0
	}
	return n
}

func (d *recordReader) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

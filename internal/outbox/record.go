package outbox

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/jobcache/durable"
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
	d := durable.Reader{Rest: b}
	d.Version(recordVersion)
	v := itemView{stored: d.Time(), key: d.Bytes()}
	if d.Bad || len(v.key) > MaxKey {
		return itemView{}, fmt.Errorf("%w: item", ErrRecord)
	}
	v.body = d.Rest
	return v, nil
}

// appendAge encodes the value of an age entry: time(8) key.
func appendAge(dst []byte, now time.Time, key string) []byte {
	return append(binary.BigEndian.AppendUint64(dst, nanos(now)), key...)
}

func decodeAge(b []byte) (at time.Time, key []byte, err error) {
	d := durable.Reader{Rest: b}
	at = d.Time()
	if d.Bad || len(d.Rest) == 0 || len(d.Rest) > MaxKey {
		return time.Time{}, nil, fmt.Errorf("%w: age entry of a key", ErrRecord)
	}
	return at, d.Rest, nil
}

// appendFact encodes a fact: 01 expires(8) value.
func appendFact(dst []byte, expires uint64, value []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, recordVersion), expires)
	return append(dst, value...)
}

func decodeFact(b []byte) (expires uint64, value []byte, err error) {
	d := durable.Reader{Rest: b}
	d.Version(recordVersion)
	expires = d.Uint64()
	if d.Bad {
		return 0, nil, fmt.Errorf("%w: fact", ErrRecord)
	}
	return expires, d.Rest, nil
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
	d := durable.Reader{Rest: b}
	d.Version(recordVersion)
	st := queueState{seq: d.Uvarint(), keys: d.Count(), keyHead: d.Uvarint()}
	for _, n := range st.counts.fields() {
		*n = d.Uvarint()
	}
	if d.Uvarint() != MaxKinds {
		d.Fail()
	}
	for i := range st.lanes {
		st.lanes[i] = lane{head: d.Uvarint(), items: d.Count(), bytes: d.Count()}
	}
	if !d.Whole() {
		return queueState{}, fmt.Errorf("%w: state of a queue", ErrRecord)
	}
	return st, nil
}

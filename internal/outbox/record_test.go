package outbox

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRecords_golden pins the bytes of format 1.
func TestRecords_golden(t *testing.T) {
	now := time.Unix(0, 0x0102030405060708).UTC()
	st := queueState{seq: 300, keys: 2, keyHead: 7, counts: Counts{9, 8, 1, 0, 5, 1, 1, 0}}
	st.lanes[1] = lane{head: 6, items: 1, bytes: 40}
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"item":     {appendItem(nil, &Item{Key: "k\x00", Body: []byte("body")}, now), "01 0102030405060708 02 6b00 626f6479"},
		"age":      {appendAge(nil, now, "k"), "0102030405060708 6b"},
		"fact":     {appendFact(nil, 1, []byte("v")), "01 0000000000000001 76"},
		"state":    {appendState(nil, &st), "01 ac02 02 07 09 08 01 00 05 01 01 00 08 000000 060128 000000 000000 000000 000000 000000 000000"},
		"item key": {appendItemKey(nil, 1, 2, 3), "71 00000001 69 02 0000000000000003"},
		"key":      {appendDedupKey(nil, 1, "k"), "71 00000001 64 6b"},
		"key age":  {appendDedupAge(nil, 1, 2), "71 00000001 65 0000000000000002"},
		"fact key": {appendFactKey(nil, "k"), "66 6b"},
		"due":      {appendDueKey(nil, 2, "k"), "74 0000000000000002 6b"},
	} {
		if got := hex.EncodeToString(c.got); got != strings.ReplaceAll(c.want, " ", "") {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestDecode_refuses(t *testing.T) {
	whole := appendState(nil, &queueState{})
	for name, err := range map[string]error{
		"empty item":     second(decodeItem(nil)),
		"later version":  second(decodeItem([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 0})),
		"long key":       second(decodeItem([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 'k'})),
		"state, cut":     second(decodeState(whole[:len(whole)-1])),
		"state, more":    second(decodeState(append(whole, 0))),
		"fact, cut":      third(decodeFact([]byte{1, 0})),
		"age, no key":    third(decodeAge(make([]byte, 8))),
		"age, long key":  third(decodeAge(make([]byte, 9+MaxKey))),
		"age, cut":       third(decodeAge(make([]byte, 7))),
		"state, nothing": second(decodeState(nil)),
	} {
		if !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{"f": "g", "fa\xff": "fb", "f\xff\xff": "g"} {
		if got := prefixEnd([]byte(prefix)); string(got) != want {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
	if got := prefixEnd([]byte{0xff}); got != nil {
		t.Errorf("no end: %q", got)
	}
}

func FuzzDecodeItem(f *testing.F) {
	for _, it := range []Item{{}, {Key: "jid\x00minion", Body: []byte("body")}, {Body: make([]byte, 300)}, {Key: strings.Repeat("k", MaxKey)}} {
		f.Add(appendItem(nil, &it, time.Unix(1, 2)))
	}
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeItem(b)
		if err != nil {
			return
		}
		again, err := decodeItem(appendItem(nil, &Item{Key: string(v.key), Body: v.body}, v.stored))
		if err != nil || !bytes.Equal(again.key, v.key) || !bytes.Equal(again.body, v.body) {
			t.Errorf("%x → %+v, %v", b, again, err)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	st := queueState{seq: 1 << 40, keys: 3, counts: Counts{Received: 1 << 63}}
	st.lanes[7] = lane{1, 2, 3}
	f.Add(appendState(nil, &st))
	f.Add(appendState(nil, &queueState{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := decodeState(b)
		if err != nil {
			return
		}
		again, err := decodeState(appendState(nil, &st))
		if d := cmp.Diff(st, again, cmp.AllowUnexported(queueState{}, lane{})); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
		_ = st.balance("q") // any numbers: an error or none, never a panic
	})
}

func FuzzDecodeSmall(f *testing.F) {
	f.Add(appendFact(nil, 7, []byte("value")))
	f.Add(appendAge(nil, time.Unix(1, 2), "key"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if expires, value, err := decodeFact(b); err == nil && !bytes.Equal(appendFact(nil, expires, value), b) {
			t.Errorf("fact %x", b)
		}
		if _, key, err := decodeAge(b); err == nil && (len(key) == 0 || len(key) > MaxKey) {
			t.Errorf("age %x", b)
		}
	})
}

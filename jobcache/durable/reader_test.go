package durable

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// record has every kind of field once.
func record() []byte {
	b := []byte{1, 7}
	b = binary.BigEndian.AppendUint64(b, uint64(time.Unix(1000, 5).UnixNano()))
	b = binary.AppendUvarint(b, 300)
	b = append(binary.AppendUvarint(b, 3), "abc"...)
	b = binary.AppendUvarint(b, 2)
	b = append(binary.AppendUvarint(b, 1), 'x')
	return append(binary.AppendUvarint(b, 2), "yz"...)
}

type fields struct {
	flags byte
	at    time.Time
	count int64
	text  string
	list  []string
}

func read(b []byte) (fields, *Reader) {
	r := &Reader{Rest: b}
	r.Version(1)
	return fields{r.Byte(), r.Time(), r.Count(), string(r.Bytes()), r.List()}, r
}

func TestReader(t *testing.T) {
	f, r := read(record())
	if !r.Whole() || f.flags != 7 || !f.at.Equal(time.Unix(1000, 5)) || f.count != 300 || f.text != "abc" || !slices.Equal(f.list, []string{"x", "yz"}) {
		t.Errorf("read %+v, whole %v", f, r.Whole())
	}
	if _, r := read(append(record(), 0)); r.Bad || r.Whole() {
		t.Error("a byte behind the record was not noticed")
	}
	for cut := range record() {
		if _, r := read(record()[:cut]); !r.Bad {
			t.Errorf("%d of %d bytes were taken for a record", cut, len(record()))
		}
	}
	if _, r := read(append([]byte{2}, record()[1:]...)); !r.Bad {
		t.Error("another version was read")
	}
	huge := &Reader{Rest: binary.AppendUvarint(nil, 1<<63)}
	if huge.Count() != 0 || !huge.Bad {
		t.Error("a count beyond an int64 was taken")
	}
}

func FuzzReader(f *testing.F) {
	f.Add(record())
	f.Add(binary.AppendUvarint(nil, 1<<62))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, r := read(b)
		if r.Bad && len(r.Rest) > 0 {
			t.Error("bytes are left after a fault")
		}
		if len(got.list) > len(b) || len(got.text) > len(b) {
			t.Error("more came out than went in")
		}
	})
}

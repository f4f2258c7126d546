package zmtp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// decodeAll feeds b in portions of n bytes, reading in place where the decoder offers it, and writes down what
// comes out.
func decodeAll(b []byte, n int, lim limits, v2 bool) (out []string, pending int64, err error) {
	d := decoder{lim: &lim, v2: v2}
	for {
		if space := d.space(); space != nil && len(b) > 0 {
			k := copy(space[:min(len(space), n)], b)
			b = b[k:]
			d.took(k)
			var it item
			if _, it, err = d.feed(nil); err != nil {
				return out, 0, err
			}
			out = write(out, it)
			continue
		}
		if len(b) == 0 {
			return out, d.pending(), nil
		}
		portion := b[:min(n, len(b))]
		b = b[len(portion):]
		for len(portion) > 0 {
			used, it, err := d.feed(portion)
			if err != nil {
				return out, 0, err
			}
			portion = portion[used:]
			out = write(out, it)
		}
	}
}

func write(out []string, it item) []string {
	switch it.kind {
	case itemMessage:
		return append(out, fmt.Sprintf("%q", it.frames))
	case itemOver:
		return append(out, fmt.Sprintf("over %q", it.frames))
	case itemCommand:
		return append(out, fmt.Sprintf("command %q", it.command))
	case itemNone:
	}
	return out
}

var testLimits = limits{frameBytes: 1 << 20, frames: 4, messageBytes: 1 << 20, command: 64}

func TestDecoder(t *testing.T) {
	long := strings.Repeat("x", 300)
	big := strings.Repeat("y", 200<<10)
	for _, tc := range []struct {
		name, wire string
		v2         bool
		want       []string
		err        error
	}{
		{name: "request of a REQ", wire: `01 00 00 03 "abc"`, want: []string{`["" "abc"]`}},
		{name: "two messages", wire: `00 01 "a" 00 01 "b"`, want: []string{`["a"]`, `["b"]`}},
		{name: "empty", wire: `00 00`, want: []string{`[""]`}},
		{name: "long", wire: `02 000000000000012c "` + long + `"`, want: []string{`["` + long + `"]`}},
		{name: "long form of a short one", wire: `02 0000000000000001 "a"`, want: []string{`["a"]`}},
		{name: "big", wire: `01 00 02 0000000000032000 "` + big + `"`, want: []string{`["" "` + big + `"]`}},
		{name: "ping", wire: `04 07 04 "PING" 000a`, want: []string{`command "\x04PING\x00\n"`}},
		{name: "ping inside a message", wire: `01 01 "a" 04 07 04 "PING" 000a 00 01 "b"`, want: []string{`command "\x04PING\x00\n"`, `["a" "b"]`}},
		{name: "long command", wire: `06 0000000000000006 05 "READY"`, want: []string{`command "\x05READY"`}},
		{name: "four frames", wire: `01 00 01 00 01 00 00 00`, want: []string{`["" "" "" ""]`}},
		{name: "five frames", wire: `01 00 01 00 01 00 01 00 00 01 "a" 00 01 "b"`, want: []string{`over ["" "" "" ""]`, `["b"]`}},
		{name: "2.0", wire: `01 00 00 01 "a"`, v2: true, want: []string{`["" "a"]`}},
		{name: "2.0 command", wire: `04 01 "a"`, v2: true, err: ErrFrame},
		{name: "command with more", wire: `05 01 "a"`, err: ErrFrame},
		{name: "unknown flag", wire: `08 01 "a"`, err: ErrFrame},
		{name: "negative size", wire: `02 8000000000000000`, err: ErrFrame},
		{name: "too large", wire: `02 0000000000100001`, err: ErrFrameSize},
		{name: "command too large", wire: `04 41`, err: ErrFrameSize},
		{name: "message after a good one too large", wire: `00 01 "a" 02 7fffffffffffffff`, want: []string{`["a"]`}, err: ErrFrameSize},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, n := range []int{1, 2, 3, 7, 16 << 10, 1 << 20} {
				got, pending, err := decodeAll(wireBytes(tc.wire), n, testLimits, tc.v2)
				if !errors.Is(err, tc.err) || !slices.Equal(got, tc.want) || pending != 0 {
					t.Fatalf("portions of %d: got %.200q, %d left, %v", n, got, pending, err)
				}
			}
		})
	}
}

// A message above MaxMessageBytes keeps the frames before.
func TestDecoder_messageBytes(t *testing.T) {
	lim := limits{frameBytes: 10, frames: 100, messageBytes: 10, command: 64}
	got, _, err := decodeAll(wireBytes(`01 00 01 06 "abcdef" 01 06 "abcdef" 00 01 "z" 00 0a "abcdefghij"`), 3, lim, false)
	if want := []string{`over ["" "abcdef"]`, `["abcdefghij"]`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

// A size that is only announced costs no memory, and an unfinished message is known to be.
func TestDecoder_pending(t *testing.T) {
	lim := limits{frameBytes: -1, frames: 4, messageBytes: -1, command: 64}
	d := decoder{lim: &lim}
	if _, _, err := d.feed(wireBytes(`02 7fffffffffffff00 "ab"`)); err != nil {
		t.Fatal(err)
	}
	if n := d.pending(); n != 3 || cap(d.part.body) > firstPortion {
		t.Errorf("pending %d, capacity %d", n, cap(d.part.body))
	}
	for range 3 {
		for n := len(d.space()); n > 0; n = 0 {
			d.took(n)
		}
	}
	if n := len(d.part.body); n > 8*firstPortion {
		t.Errorf("grew to %d", n)
	}
}

func TestEncode_roundTrip(t *testing.T) {
	b := func(n int) []byte { return bytes.Repeat([]byte("z"), n) }
	for _, frames := range [][][]byte{
		{{}},
		{{}, []byte("body")},
		{b(255), b(256), b(copyBelow), b(copyBelow + 1), {}},
		{b(100 << 10)},
		{{}, b(100 << 10), b(100 << 10), b(1)},
	} {
		e := Encode(frames)
		var wire []byte
		for _, p := range e.parts {
			wire = append(wire, p...)
		}
		if len(wire) != e.Size() {
			t.Errorf("size %d, have %d", e.Size(), len(wire))
		}
		lim := limits{frameBytes: 1 << 20, frames: 10, messageBytes: 1 << 20}
		got, _, err := decodeAll(wire, 1000, lim, false)
		if want := []string{fmt.Sprintf("%q", frames)}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %.100q, %v", got, err)
		}
		for _, off := range []int{0, 1, e.size / 2, e.size - 1} {
			if rest := bytes.Join(e.appendFrom(nil, off), nil); !bytes.Equal(rest, wire[off:]) {
				t.Errorf("from %d: %d bytes of %d", off, len(rest), len(wire)-off)
			}
		}
	}
}

func FuzzDecoder(f *testing.F) {
	for _, wire := range []string{
		`01 00 00 03 "abc"`, `04 07 04 "PING" 000a`, `01 00 01 00 01 00 01 00 00 01 "a"`, `02 0000000000000001 "a"`, `ff00`,
	} {
		f.Add(wireBytes(wire), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		n = max(1, n&0xffff)
		lim := limits{frameBytes: 10 << 10, frames: 4, messageBytes: 12 << 10, command: 64}
		whole, left, err := decodeAll(b, len(b)+1, lim, false)
		parts, left2, err2 := decodeAll(b, n, lim, false)
		if !slices.Equal(whole, parts) || left != left2 || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("whole %q, %d, %v\nin portions of %d %q, %d, %v", whole, left, err, n, parts, left2, err2)
		}
	})
}

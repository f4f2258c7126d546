package wire

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
)

// parseEverything feeds b to every decoder of the package. It is what the hostile tests and FuzzParsers have in common.
func parseEverything(b []byte) {
	_, _ = Decode(b, Wire, LoadLimits)
	_, _ = DecodeMap(b, Local, OuterLimits)
	_, _ = ParseEnvelope(b)
	_, _ = ParseLoad(b)
	_, _ = ParseAuthRequest(b, 3)
	_, _ = ParseAuthReply(b)
	_, _ = ParsePubEnvelope(b)
	_, _ = ParsePublication(b)
	_, _ = ParsePublishRequest(b)
	_, _ = ParsePublishReply(b)
	_, _ = ParsePillarRequest(b)
	_, _ = ParsePrivateReply(b)
	_, _ = ParsePrivateBox(b)
	_, _ = ParsePrivateData(b)
	if r, err := ParseReturn(b); err == nil {
		r.AppendEventData(nil, "s")
		r.RewriteRequested(nil, "1")
	}
	if list, err := ParseSyndicReturns(b); err == nil {
		for i := range list {
			for _, m := range list[i].Minions {
				list[i].AppendReturn(nil, m)
			}
		}
	}
	if e, err := ParseMinionEvent(b); err == nil {
		e.AppendEventData(nil, "s")
		for i := range e.Events {
			e.Events[i].AppendEventData(nil, "s")
			e.Events[i].Minions()
		}
	}
}

// scanUnchecked uses the span functions on bytes nobody checked: wrong answers are fine, panics are not.
func scanUnchecked(b []byte) {
	_ = ScanMap(b, func(_, val []byte) error { Int(val); Bool(val); Float(val); _, _ = Str(val); return nil })
	_ = ScanList(b, func([]byte) error { return nil })
	Field(b, "id")
	Len(b)
	Transcode(nil, b, Local)
	_, _ = SplitReply(b, "0")
}

// cuttable returns one captured value of every kind: kinds differ in file, field and first bytes.
func cuttable(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	seen := map[string]bool{}
	for _, s := range capturedSpans(t) {
		kind := s.from[strings.LastIndexByte(s.from, ' '):] + string(s.data[:min(len(s.data), 7)])
		if len(s.data) > 1000 || seen[kind] {
			continue
		}
		seen[kind] = true
		out = append(out, s.data)
	}
	if len(out) < 50 {
		t.Fatalf("only %d kinds", len(out))
	}
	return out
}

func TestHostile_cutAtEveryByte(t *testing.T) {
	for _, b := range cuttable(t) {
		for n := range b {
			cut := b[:n]
			if err := Check(cut, LoadLimits); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%x: %v", cut, err)
			}
			if n%7 == 0 || n < 64 {
				parseEverything(cut)
				scanUnchecked(cut)
			}
		}
		if err := Check(append(bytes.Clone(b), 0xc0), LoadLimits); !errors.Is(err, ErrTrailing) {
			t.Fatalf("trailing byte: %v", err)
		}
	}
}

func TestHostile_flippedByte(t *testing.T) {
	for i, b := range cuttable(t) {
		bad := bytes.Clone(b)
		for n := i % 3; n < len(b); n += 3 {
			for _, x := range []byte{0xff, 0x40, 0x01} {
				bad[n] = b[n] ^ x
				parseEverything(bad)
				scanUnchecked(bad)
			}
			bad[n] = b[n]
		}
	}
}

// bombs are inputs that kill an ordinary decoder: each was seen to eat memory or overflow the stack of one.
func bombs() map[string][]byte {
	return map[string][]byte{
		"array32 of 4294967295":   {0xdd, 0xff, 0xff, 0xff, 0xff},
		"array32 of 134217728":    {0xdd, 0x08, 0x00, 0x00, 0x00},
		"map32 of 134217728":      {0xdf, 0x08, 0x00, 0x00, 0x00},
		"map32 of 4294967295":     {0xdf, 0xff, 0xff, 0xff, 0xff},
		"str32 of 4294967295":     {0xdb, 0xff, 0xff, 0xff, 0xff},
		"bin32 of 4294967295":     {0xc6, 0xff, 0xff, 0xff, 0xff},
		"ext32 of 4294967295":     {0xc9, 0xff, 0xff, 0xff, 0xff, 0x01},
		"8 MiB of nested arrays":  bytes.Repeat([]byte{0x91}, 8<<20),
		"8 MiB of nested maps":    bytes.Repeat([]byte{0x81, 0xa0}, 4<<20),
		"64 KiB of nested arrays": bytes.Repeat([]byte{0x91}, 64<<10),
		"nested array32":          bytes.Repeat([]byte{0xdd, 0, 0, 0xff, 0xff}, 1<<16),
		"array as key":            {0x81, 0x90, 0xc0},
		"map as key":              {0x81, 0x80, 0xc0},
		"NaN as key":              {0x81, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1, 0xc0},
		"float32 NaN as key":      {0x81, 0xca, 0x7f, 0xc0, 0, 1, 0xc0},
		"6 MiB of nils":           append([]byte{0xdd, 0, 0x60, 0, 0}, bytes.Repeat([]byte{0xc0}, 6<<20)...),
		"reserved":                {0xc1},
		"nothing":                 {},
	}
}

func TestHostile_bombs(t *testing.T) {
	for name, b := range bombs() {
		t.Run(name, func(t *testing.T) {
			if err := Check(b, LoadLimits); !errors.Is(err, ErrMalformed) {
				t.Fatalf("Check: %v", err)
			}
			outer := append([]byte("\x82\xa3enc\xa5clear\xa4load"), b...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			parseEverything(b)
			parseEverything(outer)
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
				t.Errorf("%d bytes allocated", grown)
			}
		})
	}
}

func TestCheck_limits(t *testing.T) {
	nest := func(n int) []byte { return append(bytes.Repeat([]byte{0x91}, n), 0xc0) }
	tests := []struct {
		name string
		b    []byte
		lim  Limits
		want error
	}{
		{"as deep as allowed", nest(64), OuterLimits, nil},
		{"one deeper", nest(65), OuterLimits, ErrDepth},
		{"load", nest(200), LoadLimits, nil},
		{"load one deeper", nest(201), LoadLimits, ErrDepth},
		{"depth beyond the stack", nest(300), Limits{1000, 1000}, ErrDepth},
		{"the whole stack", nest(256), Limits{1000, 1000}, nil},
		{"items", []byte{0x92, 1, 2}, Limits{1, 3}, nil},
		{"items exceeded", []byte{0x92, 1, 2}, Limits{1, 2}, ErrItems},
		{"empty containers", []byte{0x92, 0x80, 0x90}, LoadLimits, nil},
		{"scalar", []byte{0xc0}, Limits{0, 1}, nil},
		{"map of containers", []byte{0x81, 0xa1, 'k', 0x91, 0x81, 1, 0x90}, LoadLimits, nil},
		{"key after a container", []byte{0x82, 1, 0x90, 0x90, 1}, LoadLimits, ErrKey},
		{"ext without data", []byte{0xc7, 0x00, 0x05}, LoadLimits, nil},
		{"ext without type", []byte{0xc7, 0x00}, LoadLimits, ErrTruncated},
		{"NaN as value", []byte{0x81, 1, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1}, LoadLimits, nil},
		{"a map's last pair is half", []byte{0x81, 0xa1, 'k'}, LoadLimits, ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := Check(tt.b, tt.lim); !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestHotPaths_doNotAllocate(t *testing.T) {
	load := pingReturn(t)
	r, err := ParseReturn(load)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	for name, fn := range map[string]func(){
		"Check":           func() { _ = Check(load, LoadLimits) },
		"Field":           func() { Field(load, "return") },
		"ScanMap":         func() { _ = ScanMap(load, func(_, _ []byte) error { return nil }) },
		"Transcode":       func() { Transcode(buf, load, Local) },
		"AppendEventData": func() { r.AppendEventData(buf, "2026-11-20T13:41:40.655405") },
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// pingReturn is the captured return of a test.ping at level 3.
func pingReturn(t testing.TB) []byte {
	t.Helper()
	loads, _ := wireLoads(t, CmdReturn)
	for _, l := range loads {
		if fun, ok := Field(l, "fun"); ok {
			if s, _ := Str(fun); s == "test.ping" && bytes.Contains(l, []byte("\xa3tok")) {
				return l
			}
		}
	}
	t.Fatal("no test.ping return captured")
	return nil
}

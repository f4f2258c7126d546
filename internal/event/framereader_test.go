package event

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

func mustNew(t testing.TB, tag string, kv ...any) Event {
	t.Helper()
	e, err := New(tag, wire.NewMap(kv...), time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFrameReader_otherSpellings(t *testing.T) {
	good := "\x81\xa1a\x01"
	for name, c := range map[string]struct {
		frame string
		tag   string // "" = ErrBadEvent
	}{
		"keys and body as bin, head with content": {"\x82\xc4\x04head\x81\xa3mid\x01\xc4\x04body\xc4\x07t\n\n" + good, "t"},
		"body as str":                         {"\x82\xa4head\x80\xa4body\xa7t\n\n" + good, "t"},
		"body first, extra key":               {"\x83\xa4body\xa7t\n\n" + good + "\xa4head\x80\xa1x\x93\x01\x02\x03", "t"},
		"map16":                               {"\xde\x00\x02\xa4head\x80\xa4body\xa7t\n\n" + good, "t"},
		"line feed inside the tag":            {"\x82\xa4head\x80\xa4body\xa9a\nb\n\n" + good, "a\nb"},
		"no body":                             {"\x81\xa4head\x80", ""},
		"body of another kind":                {"\x82\xa4head\x80\xa4body\x01", ""},
		"no separator":                        {"\x82\xa4head\x80\xa4body\xa4tag\n", ""},
		"no tag":                              {"\x82\xa4head\x80\xa4body\xa6\n\n" + good, ""},
		"tag not UTF-8":                       {"\x82\xa4head\x80\xa4body\xa7\xff\n\n" + good, ""},
		"data no map":                         {"\x82\xa4head\x80\xa4body\xa4t\n\n\x01", ""},
		"data cut":                            {"\x82\xa4head\x80\xa4body\xa6t\n\n\x81\xa1a", ""},
		"bytes after the data":                {"\x82\xa4head\x80\xa4body\xa8t\n\n" + good + "\x01", ""},
		"nested deeper than any head":         {"\x82\xa4head" + strings.Repeat("\x91", 300) + "\x80\xa4body\xa7t\n\n" + good, ""},
		"list as a key":                       {"\x82\x90\x80\xa4body\xa7t\n\n" + good, ""},
		"all codes in head":                   {"\x82\xa4head\xdc\x00\x14\xc0\xc2\xc3\xca1234\xcb12345678\xcc1\xcd12\xce1234\xcf12345678\xd01\xd112\xd21234\xd312345678\xd4t1\xd5t12\xd6t1234\xd7t12345678\xd8t1234567890123456\xc7\x01tx\xff\xa4body\xa7t\n\n" + good, "t"},
		"long lengths in head":                {"\x82\xa4head\x97\xd9\x01x\xda\x00\x01x\xdb\x00\x00\x00\x01x\xc5\x00\x01x\xc6\x00\x00\x00\x01x\xc8\x00\x01tx\xc9\x00\x00\x00\x01tx\xa4body\xa7t\n\n" + good, "t"},
		"list and map with 32 bits of length": {"\x82\xa4head\x92\xdd\x00\x00\x00\x01\xc0\xdf\x00\x00\x00\x01\xa0\xc0\xa4body\xa7t\n\n" + good, "t"},
		"body twice: the last one counts, as stock": {"\x83\xa4head\x80\xa4body\x01\xa4body\xa7t\n\n" + good, "t"},
	} {
		t.Run(name, func(t *testing.T) {
			after := mustNew(t, "after")
			for _, framing := range []Framing{FramingBare, FramingLength} {
				stream := []byte(c.frame)
				if framing == FramingLength {
					stream = append([]byte{0, 0, byte(len(c.frame) >> 8), byte(len(c.frame))}, stream...)
					stream = AppendLengthFrame(stream, after)
				} else {
					stream = AppendFrame(stream, after)
				}
				r := NewFrameReader(bytes.NewReader(stream), 0)
				e, err := r.Next()
				if c.tag == "" && !errors.Is(err, ErrBadEvent) || c.tag != "" && (err != nil || e.Tag != c.tag) {
					t.Errorf("%v: %q %v", framing, e.Tag, err)
				}
				if e, err = r.Next(); err != nil || e.Tag != "after" {
					t.Errorf("%v: the frame after it: %q %v", framing, e.Tag, err)
				}
			}
		})
	}
}

func TestFrameReader_refuses(t *testing.T) {
	for name, c := range map[string]struct {
		stream string
		want   error
	}{
		"no frame":                 {"GET / HTTP/1.1\r\n", ErrFraming},
		"list":                     {"\x92\x01\x02", ErrFraming},
		"reserved code":            {"\x82\xc1", ErrFraming},
		"second frame no map":      {"\x82\xa4head\x80\xa4body\xa6t\n\n\x81\xa1a\x01" + "x", ErrFraming},
		"announced body too large": {"\x82\xa4head\x80\xa4body\xc6\x7f\xff\xff\xff", ErrFrameSize},
		"list of four billion":     {"\x82\xa4head\xdd\xff\xff\xff\xff", ErrFrameSize},
		"map of four billion":      {"\xdf\xff\xff\xff\xff", ErrFrameSize},
		"length too large":         {"\x00\x20\x00\x00", ErrFrameSize},
		"length of nothing":        {"\x00\x00\x00\x00", ErrFraming},
		"length beyond any limit":  {"\x01\x00\x00\x00", ErrFraming},
		"end in the length":        {"\x00\x00", io.ErrUnexpectedEOF},
		"end in the frame":         {"\x82\xa4he", io.ErrUnexpectedEOF},
		"nothing":                  {"", io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			for _, split := range []bool{false, true} {
				var src io.Reader = strings.NewReader(c.stream)
				if split {
					src = &stutter{r: src}
				}
				r := NewFrameReader(src, 1<<20)
				var err error
				for err == nil || errors.Is(err, ErrBadEvent) {
					_, err = r.Next()
				}
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			}
		})
	}
}

// pieces delivers byte slices, and a deadline error between them.
type pieces struct{ list [][]byte }

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.list) == 0 {
		return 0, io.EOF
	}
	if len(p.list[0]) == 0 {
		p.list = p.list[1:]
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, p.list[0])
	p.list[0] = p.list[0][n:]
	return n, nil
}

func TestFrameReader_goesOnAfterDeadline(t *testing.T) {
	frame := AppendFrame(nil, mustNew(t, "a/tag", "k", strings.Repeat("v", 10000)))
	r := NewFrameReader(&pieces{list: [][]byte{frame[:3], frame[3:9000], frame[9000:]}}, 0)
	for range 2 {
		if _, err := r.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
	if e, err := r.Next(); err != nil || e.Tag != "a/tag" {
		t.Errorf("%q %v", e.Tag, err)
	}
}

func TestFrameReader_givesMemoryBack(t *testing.T) {
	frame := AppendFrame(nil, mustNew(t, "large", "k", strings.Repeat("v", 4<<20)))
	r := NewFrameReader(bytes.NewReader(frame), 0)
	e, err := r.Next()
	if err != nil || len(e.Data) < 4<<20 {
		t.Fatalf("%d %v", len(e.Data), err)
	}
	if cap(r.buf) > keepMax {
		t.Errorf("keeps %d bytes", cap(r.buf))
	}
}

func TestFraming_words(t *testing.T) {
	for _, f := range []Framing{FramingAuto, FramingBare, FramingLength} {
		if got, err := ParseFraming(f.String()); err != nil || got != f {
			t.Errorf("%v: %v %v", f, got, err)
		}
	}
	if _, err := ParseFraming("lenght"); err == nil {
		t.Error("a wrong word is taken")
	}
}

func TestAppendFrame_bodySizes(t *testing.T) {
	for _, n := range []int{1, 200, 255, 256, 65000, 65535, 65536, 200000} {
		e := mustNew(t, "t", "k", strings.Repeat("v", n))
		for _, frame := range [][]byte{AppendFrame(nil, e), AppendLengthFrame(nil, e)} {
			got := readAll(t, frame, 0)
			if len(got) != 1 || got[0].Tag != "t" || !bytes.Equal(got[0].Data, e.Data) {
				t.Errorf("%d: %d events", n, len(got))
			}
		}
		if got := len(AppendLengthFrame(nil, e)); got > frameSize(e) || got < frameSize(e)-10 {
			t.Errorf("%d: frame of %d, estimated %d", n, got, frameSize(e))
		}
	}
}

func fuzzStream(f *testing.F, framing Framing) {
	for i, v := range frameVectors(f) {
		if i%7 != 0 {
			continue
		}
		e, err := parseFrame(v.Raw)
		if err != nil {
			f.Fatal(err)
		}
		if framing == FramingBare {
			f.Add(v.Raw)
		} else {
			f.Add(AppendLengthFrame(nil, e))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole := readAll(t, stream, 1<<16)
		r := NewFrameReader(&stutter{r: bytes.NewReader(stream)}, 1<<16)
		for i := 0; ; {
			e, err := r.Next()
			if errors.Is(err, ErrBadEvent) {
				continue
			}
			if err != nil {
				if i != len(whole) {
					t.Errorf("%d events in pieces, %d as a whole", i, len(whole))
				}
				return
			}
			if i >= len(whole) || e.Tag != whole[i].Tag || !bytes.Equal(e.Data, whole[i].Data) {
				t.Fatalf("event %d differs", i)
			}
			i++
			again := readAll(t, AppendFrame(nil, e), 1<<20)
			if len(again) != 1 || again[0].Tag != e.Tag && !strings.HasSuffix(e.Tag, "\n") {
				t.Errorf("event %q does not come back", e.Tag)
			}
		}
	})
}

func FuzzFrameReaderBare(f *testing.F)   { fuzzStream(f, FramingBare) }
func FuzzFrameReaderLength(f *testing.F) { fuzzStream(f, FramingLength) }

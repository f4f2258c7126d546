package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saltern-io/saltern/internal/wire"
)

const vectorDir = "../../testdata/vectors/"

type vectorEvent struct {
	Salt string
	Raw  []byte `json:"raw_b64"`
	Tag  string
	Data json.RawMessage
}

func readVectors(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// frameVectors returns the captured frames of both sockets.
func frameVectors(t testing.TB) []vectorEvent {
	t.Helper()
	var v struct{ Pub, Pull []vectorEvent }
	readVectors(t, "events-ipc-frames.json", &v)
	if len(v.Pub) < 100 || len(v.Pull) < 1 {
		t.Fatalf("%d and %d frames: the file is not whole", len(v.Pub), len(v.Pull))
	}
	return append(v.Pub, v.Pull...)
}

// fromJSON makes an ordered tree of Salt data.
func fromJSON(t testing.TB, raw json.RawMessage) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := jsonValue(d)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func jsonValue(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Number:
		if n, err := tok.Int64(); err == nil {
			return n, nil
		}
		return tok.Float64()
	case json.Delim:
		list, m := []any{}, wire.NewMap()
		for d.More() {
			var key any
			if tok == '{' {
				if key, err = d.Token(); err != nil {
					return nil, err
				}
			}
			v, err := jsonValue(d)
			if err != nil {
				return nil, err
			}
			if tok == '{' {
				m.Set(key, v)
			} else {
				list = append(list, v)
			}
		}
		if _, err := d.Token(); err != nil {
			return nil, err
		}
		if tok == '{' {
			return m, nil
		}
		return list, nil
	default:
		return tok, nil
	}
}

func TestVectors_framesByteForByte(t *testing.T) {
	for _, v := range frameVectors(t) {
		e, err := parseFrame(v.Raw)
		if err != nil {
			t.Fatalf("%s %s: %v", v.Salt, v.Tag, err)
		}
		if e.Tag != v.Tag {
			t.Errorf("tag %q, want %q", e.Tag, v.Tag)
		}
		if got := AppendFrame(nil, e); !bytes.Equal(got, v.Raw) {
			t.Errorf("%s %s: frame differs\n got %x\nwant %x", v.Salt, v.Tag, got, v.Raw)
		}
		data, ok := fromJSON(t, v.Data).(*wire.Map)
		if !ok {
			t.Fatalf("%s: data is no map", v.Tag)
		}
		at, err := time.Parse("2006-01-02T15:04:05.000000", data.Str("_stamp"))
		if err != nil {
			t.Fatal(err)
		}
		made, err := New(v.Tag, data, at)
		if err != nil || !bytes.Equal(AppendFrame(nil, made), v.Raw) {
			t.Errorf("%s %s: made anew it differs: %v\n got %x\nwant %x", v.Salt, v.Tag, err, AppendFrame(nil, made), v.Raw)
		}
		if m, err := e.Map(); err != nil || m.Len() != data.Len() {
			t.Errorf("%s: Map: %v", v.Tag, err)
		}
	}
}

// streamOf joins all vectors in one framing.
func streamOf(t testing.TB, f Framing) (stream []byte, tags []string) {
	t.Helper()
	for _, v := range frameVectors(t) {
		e, err := parseFrame(v.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if f == FramingBare {
			stream = append(stream, v.Raw...)
		} else {
			stream = AppendLengthFrame(stream, e)
		}
		tags = append(tags, v.Tag)
	}
	return stream, tags
}

func TestVectors_streamSplitAndJoined(t *testing.T) {
	for _, f := range []Framing{FramingBare, FramingLength} {
		stream, tags := streamOf(t, f)
		for name, src := range map[string]io.Reader{
			"whole":           bytes.NewReader(stream),
			"byte by byte":    iotest.OneByteReader(bytes.NewReader(stream)),
			"half reads":      iotest.HalfReader(bytes.NewReader(stream)),
			"end with data":   iotest.DataErrReader(bytes.NewReader(stream)),
			"empty reads too": &stutter{r: bytes.NewReader(stream)},
		} {
			t.Run(f.String()+" "+name, func(t *testing.T) {
				r := NewFrameReader(src, 0)
				var got []string
				for {
					e, err := r.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e.Tag)
				}
				if d := cmp.Diff(tags, got); d != "" {
					t.Error(d)
				}
				if r.Framing() != f {
					t.Errorf("recognised %v", r.Framing())
				}
			})
		}
	}
}

// stutter returns nothing, without an error, before every read of up to 7 bytes.
type stutter struct {
	r    io.Reader
	real bool
}

func (s *stutter) Read(b []byte) (int, error) {
	if s.real = !s.real; s.real {
		return 0, nil
	}
	return s.r.Read(b[:min(len(b), 7)])
}

// TestVectors_cutAndFlipped: a frame cut anywhere is an unexpected end; one flipped byte is never a panic and never
// makes the reader wait for, or take, more than there is.
func TestVectors_cutAndFlipped(t *testing.T) {
	for _, f := range []Framing{FramingBare, FramingLength} {
		for i, v := range frameVectors(t) {
			if i%10 != 0 {
				continue // every tenth frame: all take long under the race detector
			}
			e, err := parseFrame(v.Raw)
			if err != nil {
				t.Fatal(err)
			}
			frame := v.Raw
			if f == FramingLength {
				frame = AppendLengthFrame(nil, e)
			}
			for cut := 1; cut < len(frame); cut++ {
				if _, err := NewFrameReader(bytes.NewReader(frame[:cut]), 0).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%v %s cut at %d: %v", f, v.Tag, cut, err)
				}
			}
			for at := range frame {
				flipped := bytes.Clone(frame)
				flipped[at] ^= 0xff
				readAll(t, flipped, 1<<20)
			}
		}
	}
}

// readAll reads to the first final error and returns the good events.
func readAll(t testing.TB, stream []byte, maxFrame int) (events []Event) {
	t.Helper()
	r := NewFrameReader(bytes.NewReader(stream), maxFrame)
	for range len(stream) + 2 {
		e, err := r.Next()
		switch {
		case err == nil:
			events = append(events, e)
		case errors.Is(err, ErrBadEvent):
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, ErrFraming), errors.Is(err, ErrFrameSize):
			if _, again := r.Next(); !errors.Is(again, err) && again.Error() != err.Error() {
				t.Errorf("after %v: %v", err, again)
			}
			return events
		default:
			t.Fatalf("unknown error %v", err)
		}
		if cap(r.buf) > 4*len(stream)+2*readStart {
			t.Fatalf("buffer of %d bytes for a stream of %d", cap(r.buf), len(stream))
		}
	}
	t.Fatal("endless")
	return nil
}

// TestVectors_catalogues: every captured event can be made and read back; the job tags are those of this package.
func TestVectors_catalogues(t *testing.T) {
	seen := map[string]int{}
	for _, name := range []string{"events-catalogue-3006.json", "events-catalogue-3008.json"} {
		var v struct{ Events []vectorEvent }
		readVectors(t, name, &v)
		if len(v.Events) < 10 {
			t.Fatalf("%s: %d events", name, len(v.Events))
		}
		for _, ve := range v.Events {
			checkCatalogued(t, ve, seen)
		}
	}
	var bus struct {
		Lower []vectorEvent `json:"lower_master_bus"`
		Upper []vectorEvent `json:"mom_bus"`
	}
	readVectors(t, "syndic-bus.json", &bus)
	for _, ve := range append(bus.Lower, bus.Upper...) {
		checkCatalogued(t, ve, seen)
	}
	for _, kind := range []string{"new", "publish", "ret", "auth", "start"} {
		if seen[kind] == 0 {
			t.Errorf("no event of kind %q among the vectors", kind)
		}
	}
}

func checkCatalogued(t *testing.T, ve vectorEvent, seen map[string]int) {
	t.Helper()
	data, ok := fromJSON(t, ve.Data).(*wire.Map)
	if !ok {
		t.Fatalf("%s: data is no map", ve.Tag)
	}
	e, err := New(ve.Tag, data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	back, err := parseFrame(AppendFrame(nil, e))
	if err != nil || back.Tag != e.Tag || !bytes.Equal(back.Data, e.Data) {
		t.Errorf("%s: %v", ve.Tag, err)
	}
	jid, id := data.Str("jid"), data.Str("id")
	switch {
	case ve.Tag == TagJobNew(jid):
		seen["new"]++
	case ve.Tag == TagJobPublish(jid):
		seen["publish"]++
	case ve.Tag == TagJobReturn(jid, id):
		seen["ret"]++
		if !isReturn(ve.Tag) {
			t.Errorf("%s is a return", ve.Tag)
		}
		return
	case ve.Tag == TagAuth:
		seen["auth"]++
	case ve.Tag == TagMinionStart(id):
		seen["start"]++
	}
	if isReturn(ve.Tag) {
		t.Errorf("%s is no minion's return", ve.Tag)
	}
	if strings.HasPrefix(ve.Tag, TagJobPrefix(jid)) != strings.HasPrefix(ve.Tag, "salt/job/"+jid+"/") {
		t.Errorf("prefix of %s", ve.Tag)
	}
}

package stock

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

type frameVector struct {
	Salt string         `json:"salt"`
	Raw  []byte         `json:"raw_b64"`
	Tag  string         `json:"tag"`
	Data map[string]any `json:"data"`
}

// frames are the captured frames of stock masters.
func frames(t testing.TB) []frameVector {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/events-ipc-frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Pub, Pull []frameVector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Pub) == 0 || len(file.Pull) == 0 {
		t.Fatal("no frames in the vector file")
	}
	return append(file.Pub, file.Pull...)
}

func prefixed(frame []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
}

func TestReadEvent_vectors(t *testing.T) {
	for _, framing := range []struct {
		name string
		wrap func([]byte) []byte
	}{{"bare", bytes.Clone}, {"length", prefixed}} {
		t.Run(framing.name, func(t *testing.T) {
			var stream bytes.Buffer
			vectors := frames(t)
			for _, v := range vectors {
				stream.Write(framing.wrap(v.Raw))
			}
			reader := bufio.NewReaderSize(&stream, 16) // every frame is split
			for i, v := range vectors {
				event, err := readEvent(reader)
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				if event.Tag != v.Tag {
					t.Errorf("frame %d: tag %q, want %q", i, event.Tag, v.Tag)
				}
				for field, want := range v.Data {
					if !event.Has(field) {
						t.Errorf("frame %d: no field %s", i, field)
					}
					if text, ok := want.(string); ok && event.Str(field) != text {
						t.Errorf("frame %d: %s is %q, want %q", i, field, event.Str(field), text)
					}
				}
			}
		})
	}
}

func TestReadEvent_cut(t *testing.T) {
	whole := frames(t)[0].Raw
	for _, frame := range [][]byte{whole, prefixed(whole)} {
		for cut := range frame {
			if _, err := readEvent(bufio.NewReader(bytes.NewReader(frame[:cut]))); err == nil {
				t.Errorf("%d of %d bytes were taken for a frame", cut, len(frame))
			}
		}
	}
}

func FuzzReadEvent(f *testing.F) {
	for _, v := range frames(f)[:10] {
		f.Add(v.Raw)
		f.Add(prefixed(v.Raw))
	}
	f.Fuzz(func(_ *testing.T, stream []byte) {
		event, err := readEvent(bufio.NewReader(bytes.NewReader(stream)))
		if err == nil {
			_, _, _ = event.Has("jid"), event.Str("jid"), event.Value("return")
		}
	})
}

func TestEvent_fields(t *testing.T) {
	data, err := msgpack.Marshal(map[string]any{"return": true, "jid": "1", "retcode": 0})
	if err != nil {
		t.Fatal(err)
	}
	event := Event{Tag: "t", Data: data}
	if event.Value("return") != true || event.Str("jid") != "1" || event.Str("return") != "" || event.Has("none") {
		t.Errorf("fields of %x misread", data)
	}
	if odd := (Event{Data: []byte{0x93}}); odd.Has("x") || odd.Value("x") != nil {
		t.Error("data that is no map has fields")
	}
}

func TestBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	bus, err := DialBus(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	v := frames(t)[0]
	isIt := func(e Event) bool { return e.Tag == v.Tag }
	if _, err := bus.Wait(t.Context(), "nothing", 0, time.Millisecond, isIt); !errors.Is(err, ErrTimeout) {
		t.Errorf("wait before any event: %v", err)
	}
	if _, err := conn.Write(v.Raw); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Wait(t.Context(), v.Tag, 0, patience, isIt); err != nil {
		t.Error(err)
	}
	if bus.Len() != 1 || len(bus.Since(0)) != 1 || len(bus.Since(1)) != 0 {
		t.Errorf("%d events remembered, want 1", bus.Len())
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Wait(t.Context(), "another", 1, patience, isIt); err == nil || errors.Is(err, ErrTimeout) {
		t.Errorf("wait on a closed bus: %v", err)
	}
}

package wire

import (
	"fmt"
	"strings"
	"testing"
)

// stateReturn is a return of 60 states, about 25 kB.
func stateReturn(b *testing.B) []byte {
	b.Helper()
	states := &Map{}
	for i := range 60 {
		states.Set(fmt.Sprintf("file_|-conf%d_|-/etc/app/conf%d_|-managed", i, i), NewMap(
			"changes", NewMap("diff", strings.Repeat("+ a line of text\n", 8), "mode", "0644"),
			"comment", fmt.Sprintf("File /etc/app/conf%d updated", i), "name", fmt.Sprintf("/etc/app/conf%d", i),
			"result", true, "__sls__", "app.conf", "__run_num__", i, "start_time", "13:48:27.331255", "duration", 12.345,
			"__id__", fmt.Sprintf("conf%d", i),
		))
	}
	load, err := ReturnRequest{
		ID: "web1.example", Success: true, Return: states, JID: "20261120134827331255", Fun: "state.apply", User: "root",
		Stamp: "2026-11-20T13:48:30.000001",
	}.AppendLoad(nil, Proof{Nonce: strings.Repeat("a", 32), TS: 1795182100, Tok: make([]byte, 256)})
	if err != nil {
		b.Fatal(err)
	}
	return load
}

// perLoad runs a benchmark for both sizes of return.
func perLoad(b *testing.B, fn func(b *testing.B, load []byte)) {
	for name, load := range map[string][]byte{"ping": pingReturn(b), "state": stateReturn(b)} {
		b.Run("return="+name, func(b *testing.B) {
			b.SetBytes(int64(len(load)))
			b.ReportAllocs()
			fn(b, load)
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	perLoad(b, func(b *testing.B, load []byte) {
		for b.Loop() {
			if err := Check(load, LoadLimits); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkScanMap(b *testing.B) {
	perLoad(b, func(b *testing.B, load []byte) {
		n := 0
		for b.Loop() {
			_ = ScanMap(load, func(_, _ []byte) error { n++; return nil })
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	perLoad(b, func(b *testing.B, load []byte) {
		for b.Loop() {
			if _, err := Decode(load, Wire, LoadLimits); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	perLoad(b, func(b *testing.B, load []byte) {
		v, err := Decode(load, Wire, LoadLimits)
		if err != nil {
			b.Fatal(err)
		}
		var buf []byte
		for b.Loop() {
			if buf, err = Append(buf[:0], v, Wire); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParseReturn(b *testing.B) {
	perLoad(b, func(b *testing.B, load []byte) {
		for b.Loop() {
			if _, err := ParseReturn(load); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendEventData(b *testing.B) {
	perLoad(b, func(b *testing.B, load []byte) {
		r, err := ParseReturn(load)
		if err != nil {
			b.Fatal(err)
		}
		var buf []byte
		for b.Loop() {
			buf = r.AppendEventData(buf[:0], "2026-11-20T13:48:30.000001")
		}
	})
}

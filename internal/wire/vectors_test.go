package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const vectorDir = "../../testdata/vectors"

// loadVectors decodes one vector file; a missing file fails the test.
func loadVectors(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err != nil {
		t.Fatalf("vectors are part of the tests: %v", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("vector is not hex: %v", err)
	}
	return b
}

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatalf("vector is not base64: %v", err)
	}
	return b
}

// span is one captured MessagePack value with the place it comes from.
type span struct {
	from string
	data []byte
	mode Mode
}

// capturedFiles are the files whose values are walked; transport-msgpack and auth-errors have tests of their own.
var capturedFiles = []string{
	"crypto-crypticle.json", "transport-publish.json", "auth-exchanges.json", "auth-legacy-versions.json",
	"auth-aes-requests.json", "auth-aes-by-version.json", "syndic-auth-v2.json", "syndic-auth-v3.json",
	"syndic-publish.json", "syndic-events.json", "syndic-return.json", "master-aes-cases.json",
	"master-clear-cases.json", "master-wire-3006.10.json", "master-wire-3007.8.json", "master-wire-3008.json",
	"events-ipc-frames.json", "syndic-cluster-pool.json",
}

// capturedSpans returns every MessagePack value in the vectors, outer and inner.
func capturedSpans(t testing.TB) []span {
	t.Helper()
	var all []span
	for _, name := range capturedFiles {
		var v any
		loadVectors(t, name, &v)
		n := len(all)
		all = walkVectors(t, all, name, v)
		if len(all) == n {
			t.Fatalf("%s: no MessagePack found", name)
		}
	}
	return all
}

func walkVectors(t testing.TB, all []span, at string, v any) []span {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			all = walkVectors(t, all, at, e)
		}
	case map[string]any:
		for k, e := range v {
			if s, ok := e.(string); ok {
				all = appendSpan(t, all, at+" "+k, k, s)
				continue
			}
			if list, ok := e.([]any); ok && strings.HasSuffix(k, "frames_hex") {
				body, _ := list[len(list)-1].(string)
				all = appendSpan(t, all, at+" "+k, "body_hex", body)
				continue
			}
			all = walkVectors(t, all, at+" "+k, e)
		}
	}
	return all
}

func appendSpan(t testing.TB, all []span, from, key, s string) []span {
	switch {
	case strings.HasSuffix(key, "msgpack_b64"):
		return append(all, span{from, unbase64(t, s), Wire})
	case key == "raw_b64":
		return appendFrame(t, all, from, unbase64(t, s))
	case key == "wire_hex":
		return appendFrame(t, all, from, unhex(t, s))
	case strings.HasSuffix(key, "plaintext_hex"):
		payload, ok := SplitPlain(unhex(t, s))
		if !ok {
			t.Fatalf("%s: plaintext without marker", from)
		}
		if Check(payload, LoadLimits) != nil && len(payload) > NonceLen {
			payload = payload[NonceLen:]
		}
		return append(all, span{from, payload, Wire})
	case key == "msgpack_hex", key == "body_hex", key == "request_hex", key == "reply_hex", key == "signed_data_hex",
		key == "request_wire_hex", key == "wire_frame_hex", key == "reply_load_hex":
		return append(all, span{from, unhex(t, s), Wire})
	}
	return all
}

// appendFrame adds an event frame and the data in its body.
func appendFrame(t testing.TB, all []span, from string, frame []byte) []span {
	body, ok := Field(frame, "body")
	raw, isBin := Bytes(body)
	_, data, cut := bytes.Cut(raw, []byte("\n\n"))
	if !ok || !isBin || !cut {
		t.Fatalf("%s: no event frame", from)
	}
	return append(all, span{from, frame, Local}, span{from + " data", data, Local})
}

func TestCaptured_reencodesByteForByte(t *testing.T) {
	spans := capturedSpans(t)
	for _, s := range spans {
		v, err := Decode(s.data, s.mode, LoadLimits)
		if err != nil {
			t.Fatalf("%s: %v", s.from, err)
		}
		out, err := Encode(v, s.mode)
		if err != nil {
			t.Fatalf("%s: %v", s.from, err)
		}
		if !bytes.Equal(out, s.data) {
			t.Errorf("%s:\n got %x\nwant %x", s.from, out, s.data)
		}
		if s.mode == Wire && !bytes.Equal(Transcode(nil, s.data, Wire), s.data) {
			t.Errorf("%s: Transcode changes it", s.from)
		}
		local, err := Encode(v, Local)
		if err != nil {
			t.Fatalf("%s: %v", s.from, err)
		}
		if s.mode == Wire && !bytes.Equal(Transcode(nil, s.data, Local), local) {
			t.Errorf("%s: Transcode to Local differs from the tree", s.from)
		}
		if m, ok := v.(*Map); ok {
			checkScan(t, s, m)
		}
	}
	t.Logf("%d values", len(spans))
	if len(spans) < 3400 {
		t.Errorf("only %d values found", len(spans))
	}
}

// checkScan compares the span walk with the tree.
func checkScan(t *testing.T, s span, m *Map) {
	t.Helper()
	i := 0
	err := ScanMap(s.data, func(key, val []byte) error {
		k, v := m.At(i)
		i++
		if ks, ok := k.(string); ok && ks != string(key) {
			t.Errorf("%s: key %q, want %q", s.from, key, ks)
		}
		enc, err := Encode(v, s.mode)
		if err != nil || !bytes.Equal(enc, val) {
			t.Errorf("%s: value of %q differs", s.from, key)
		}
		return nil
	})
	if err != nil || i != m.Len() {
		t.Errorf("%s: scanned %d of %d: %v", s.from, i, m.Len(), err)
	}
}

type msgpackVectors struct {
	Encode []struct {
		Name       string `json:"name"`
		UseBinType bool   `json:"use_bin_type"`
		EncodedHex string `json:"encoded_hex"`
		WireMode   string `json:"decoded_wire_mode"`
		FileMode   string `json:"decoded_file_mode"`
	} `json:"encode"`
	DecodeOnly []struct {
		Name    string `json:"name"`
		Hex     string `json:"hex"`
		Decoded string `json:"decoded"`
	} `json:"decode_only"`
}

func TestMsgpackVectors_bothModes(t *testing.T) {
	var v msgpackVectors
	loadVectors(t, "transport-msgpack.json", &v)
	if len(v.Encode) != 80 || len(v.DecodeOnly) != 19 {
		t.Fatalf("%d and %d vectors", len(v.Encode), len(v.DecodeOnly))
	}
	for _, tt := range v.Encode {
		mode := Wire
		if tt.UseBinType {
			mode = Local
		}
		b := unhex(t, tt.EncodedHex)
		tree, err := Decode(b, mode, LoadLimits)
		if err != nil {
			t.Fatalf("%s: %v", tt.Name, err)
		}
		if out, err := Encode(tree, mode); err != nil || !bytes.Equal(out, b) {
			t.Errorf("%s: %x, want %x (%v)", tt.Name, out, b, err)
		}
		if strings.Contains(tt.WireMode, "datetime") {
			if e, ok := tree.(Ext); !ok || e.Code != 78 || len(e.Data) != 24 {
				t.Errorf("%s: %v", tt.Name, tree)
			}
			continue
		}
		wireTree, err := Decode(b, Wire, LoadLimits)
		if err != nil {
			t.Fatalf("%s: %v", tt.Name, err)
		}
		if got := string(appendRepr(nil, wireTree, 1<<20)); got != tt.WireMode {
			t.Errorf("%s in wire mode: %s, want %s", tt.Name, got, tt.WireMode)
		}
		if got := string(appendRepr(nil, tree, 1<<20)); mode == Local && got != tt.FileMode {
			t.Errorf("%s in file mode: %s, want %s", tt.Name, got, tt.FileMode)
		}
	}
	for _, tt := range v.DecodeOnly {
		got := "raises SaltDeserializationError"
		tree, err := Decode(unhex(t, tt.Hex), Wire, LoadLimits)
		if err == nil {
			got = string(appendRepr(nil, tree, 1<<20))
		}
		if _, isExt := tree.(Ext); isExt {
			continue // extension values pass through untouched
		}
		if got != tt.Decoded {
			t.Errorf("%s: %s, want %s", tt.Name, got, tt.Decoded)
		}
	}
}

func TestCrypticle_plaintexts(t *testing.T) {
	var v struct {
		Vectors []struct {
			Name         string  `json:"name"`
			Nonce        *string `json:"nonce"`
			MsgpackHex   string  `json:"msgpack_hex"`
			PlaintextHex string  `json:"plaintext_hex"`
		} `json:"vectors"`
	}
	loadVectors(t, "crypto-crypticle.json", &v)
	for _, tt := range v.Vectors {
		nonce := ""
		if tt.Nonce != nil {
			nonce = *tt.Nonce
		}
		payload, plain := unhex(t, tt.MsgpackHex), unhex(t, tt.PlaintextHex)
		if got := AppendPlain(nil, nonce, payload); !bytes.Equal(got, plain) {
			t.Errorf("%s: %x", tt.Name, got)
		}
		if got, err := SplitReply(plain, nonce); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%s: %x, %v", tt.Name, got, err)
		}
		if nonce == "" {
			continue
		}
		other := strings.Repeat("0", NonceLen)
		if _, err := SplitReply(plain, other); err != ErrNonce {
			t.Errorf("%s: another nonce gives %v", tt.Name, err)
		}
		if _, err := SplitReply(plain[1:], nonce); err != ErrMarker {
			t.Errorf("%s: no marker gives %v", tt.Name, err)
		}
	}
}

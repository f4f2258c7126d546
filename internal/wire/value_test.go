package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestMap_orderAndIndex(t *testing.T) {
	m := &Map{}
	for i := range 40 {
		m.Set(fmt.Sprint("k", i), i)
	}
	m.Set(int64(7), "int")
	m.Set([]byte("k1"), "bytes")
	m.Set(nil, "nil")
	m.Set(Ext{5, []byte("x")}, "ext")
	m.Set("k3", "again")
	if m.Len() != 44 || m.index == nil {
		t.Fatalf("%d entries", m.Len())
	}
	if k, v := m.At(3); k != "k3" || v != "again" {
		t.Errorf("%v %v", k, v)
	}
	for key, want := range map[string]any{"k1": 1, "k39": 39} {
		if v, ok := m.Get(key); !ok || v != want {
			t.Errorf("%s is %v", key, v)
		}
	}
	if v, _ := m.GetKey([]byte("k1")); v != "bytes" {
		t.Errorf("bytes key is %v", v)
	}
	if v, _ := m.GetKey(7); v != "int" {
		t.Errorf("int key is %v", v)
	}
	c := m.Clone()
	for i := range 30 {
		m.Delete(fmt.Sprint("k", i))
	}
	m.Delete("none")
	if m.Len() != 14 || m.index != nil || m.Has("k1") || !m.Has("k30") || c.Len() != 44 || !c.Has("k1") {
		t.Errorf("%d %d", m.Len(), c.Len())
	}
	if v, _ := m.GetKey(nil); v != "nil" {
		t.Errorf("nil key is %v", v)
	}
}

func TestMap_nilReadsAsEmpty(t *testing.T) {
	var m *Map
	if m.Len() != 0 || m.Has("x") || m.Str("x") != "" || m.Int("x") != 0 || m.Bytes("x") != nil || m.List("x") != nil ||
		m.Map("x").Map("y") != nil || m.Clone() != nil || m.Bool("x") {
		t.Error("a nil map is not empty")
	}
	for range m.All() {
		t.Error("a nil map has pairs")
	}
	if b, err := Encode(m, Wire); err != nil || !bytes.Equal(b, []byte{0x80}) {
		t.Errorf("%x, %v", b, err)
	}
}

func TestMap_faultsOfTheProgramPanic(t *testing.T) {
	for name, fn := range map[string]func(){
		"odd":      func() { NewMap(append([]any{}, "a")...) },
		"list key": func() { NewMap([]any{}, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			fn()
		}()
	}
}

func TestClone_isDeep(t *testing.T) {
	in := NewMap("l", []any{NewMap("b", []byte("x")), Ext{1, []byte("e")}, Raw{0xc0}}, "s", "t")
	out := in.Clone()
	inner, _ := in.List("l")[0].(*Map)
	inner.Bytes("b")[0] = 'y'
	inner.Set("new", 1)
	got, _ := out.List("l")[0].(*Map)
	if string(got.Bytes("b")) != "x" || got.Has("new") {
		t.Error("the copy shares values")
	}
}

func TestEncode_types(t *testing.T) {
	tests := []struct {
		v    any
		want string
	}{
		{int8(-1), "\xff"},
		{int16(-200), "\xd1\xff\x38"},
		{int32(-70000), "\xd2\xff\xfe\xee\x90"},
		{uint(200), "\xcc\xc8"},
		{uint8(1), "\x01"},
		{uint16(300), "\xcd\x01\x2c"},
		{uint32(1), "\x01"},
		{float32(1.5), "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"},
		{[]string{"a"}, "\x91\xa1a"},
		{Null{}, "\xc0"},
		{Raw("\xa1x"), "\xa1x"},
		{int64(math.MinInt64), "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"},
		{Ext{1, []byte("12")}, "\xd5\x0112"},
		{Ext{-1, []byte("1234")}, "\xd6\xff1234"},
		{Ext{2, nil}, "\xc7\x00\x02"},
		{Ext{3, make([]byte, 8)}, "\xd7\x03" + strings.Repeat("\x00", 8)},
		{Ext{3, make([]byte, 16)}, "\xd8\x03" + strings.Repeat("\x00", 16)},
		{Ext{3, make([]byte, 300)}, "\xc8\x01\x2c\x03" + strings.Repeat("\x00", 300)},
		{strings.Repeat("x", 1<<16), "\xdb\x00\x01\x00\x00" + strings.Repeat("x", 1<<16)},
	}
	for _, tt := range tests {
		got, err := Encode(tt.v, Wire)
		if err != nil || string(got) != tt.want {
			t.Errorf("%T: %x, want %x (%v)", tt.v, got[:min(len(got), 20)], tt.want[:min(len(tt.want), 20)], err)
		}
	}
	for _, v := range []any{map[string]any{}, struct{}{}, []any{NewMap("k", make(chan int))}} {
		dst := []byte("kept")
		if got, err := Append(dst, v, Wire); !errors.Is(err, ErrType) || string(got) != "kept" {
			t.Errorf("%T: %q, %v", v, got, err)
		}
	}
	loop := []any{nil}
	loop[0] = loop
	if _, err := Encode(loop, Wire); !errors.Is(err, ErrTooDeep) {
		t.Errorf("a cycle gives %v", err)
	}
	if b, err := Encode(make([]byte, 1<<16), Local); err != nil || b[0] != 0xc6 {
		t.Errorf("%v", err)
	}
}

func TestScalars(t *testing.T) {
	if v, ok := Int([]byte{0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0}); ok {
		t.Errorf("2^63 is read as %d", v)
	}
	if f, ok := Float([]byte{0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0}); !ok || f != 1<<63 {
		t.Errorf("%v", f)
	}
	if f, ok := Float([]byte{0xfe}); !ok || f != -2 {
		t.Errorf("%v", f)
	}
	for _, b := range [][]byte{nil, {}, {0xc0}, {0xcb}, {0xca, 0}, {0xd9}, {0xa5, 'x'}, {0xcc}} {
		_, okI := Int(b)
		_, okF := Float(b)
		_, okS := Str(b)
		_, okB := Bool(b)
		if okI || okF || okS || okB {
			t.Errorf("%x is read as a value", b)
		}
	}
	if v, ok := Bool([]byte{0xc3}); !v || !ok {
		t.Error("true")
	}
	if err := ScanMap([]byte{0x90}, nil); !errors.Is(err, ErrNotMap) {
		t.Error(err)
	}
	if err := ScanList([]byte{0x80}, nil); !errors.Is(err, ErrNotList) {
		t.Error(err)
	}
	stop := errors.New("stop")
	if err := ScanMap([]byte{0x81, 1, 2}, func(k, _ []byte) error {
		if k != nil {
			t.Error("an int key has text")
		}
		return stop
	}); !errors.Is(err, stop) {
		t.Error(err)
	}
	if v, ok := Field([]byte("\x82\xa1a\x01\xa1a\x02"), "a"); !ok || v[0] != 2 {
		t.Error("the last of repeated keys does not count")
	}
}

func TestEnvelope_levelsAndShapes(t *testing.T) {
	for want, versions := range map[Level][]any{
		0: {nil, 0, -5, "x", "", "2.0", 0.9, []any{}, false, math.NaN(), math.Inf(1), strings.Repeat("1", 65)},
		1: {1, "1", " 1 ", "+1", true, 1.9},
		2: {2, "2", 2.5, "02"},
		3: {3, 4, 1000, "3", "99999999999999999999999", uint64(1 << 63), 1e300},
	} {
		for _, v := range versions {
			b, err := Encode(NewMap("enc", "clear", "load", NewMap(), "version", v), Wire)
			if err != nil {
				t.Fatal(err)
			}
			if e, ref := ParseEnvelope(b); ref != nil || e.Level != want {
				t.Errorf("version %v gives level %d (%v), want %d", v, e.Level, ref, want)
			}
		}
	}
	enc := func(kv ...any) []byte {
		b, err := Encode(NewMap(kv...), Wire)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, b := range [][]byte{
		enc("enc", "pub", "load", NewMap()), enc("enc", "CLEAR", "load", NewMap()), enc("enc", nil, "load", NewMap()),
		enc("enc", "aes", "load", NewMap()), enc("enc", "aes", "load", nil), enc("enc", "aes", "load", "x", "id", 5),
		enc("enc", "aes", "load", "x", "enc_algo", []any{}), enc("enc", "aes", "load", "x", "sig_algo", 1),
	} {
		if _, ref := ParseEnvelope(b); !bytes.Equal(ref, BadLoad) {
			t.Errorf("%x: %v", b, ref)
		}
	}
	full := Envelope{Enc: EncAES, Level: 3, Load: []byte{0xff}, ID: "m", EncAlgo: "e", SigAlgo: "s"}
	got, ref := ParseEnvelope(full.Append(nil))
	if ref != nil || got.ID != "m" || got.EncAlgo != "e" || got.SigAlgo != "s" || !bytes.Equal(got.Load, full.Load) {
		t.Errorf("%+v %v", got, ref)
	}
}

func TestParseLoad(t *testing.T) {
	enc := func(kv ...any) []byte {
		b, err := Encode(NewMap(kv...), Wire)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	l, ref := ParseLoad(enc("cmd", "_return", "id", "m", "nonce", "n", "tok", []byte{0xff}, "ts", 12.7))
	if ref != nil || l.Cmd != CmdReturn || l.ID != "m" || l.Nonce != "n" || len(l.Tok) != 1 || l.TS != 12 || !l.HasTS {
		t.Fatalf("%+v %v", l, ref)
	}
	if l, ref = ParseLoad(enc("cmd", 5)); ref != nil || !l.HasCmd || l.Cmd != "" || l.HasID {
		t.Fatalf("%+v %v", l, ref)
	}
	for name, tt := range map[string]struct {
		load []byte
		want Refusal
	}{
		"malformed":     {[]byte{0xc1}, BadLoad},
		"no map":        {[]byte{0x90}, NotDict},
		"id is nil":     {enc("id", nil), IDNotString(nil)},
		"NUL":           {enc("id", "a\x00"), NullID},
		"nonce is nil":  {enc("nonce", nil), BadLoad},
		"nonce is long": {enc("nonce", strings.Repeat("a", 65)), BadLoad},
		"tok is a map":  {enc("tok", NewMap()), BadLoad},
		"tok is long":   {enc("tok", strings.Repeat("a", 4097)), BadLoad},
		"two ids":       {[]byte("\x82\xa2id\xa1a\xa2id\xa1b"), BadLoad},
		"two cmds":      {[]byte("\x82\xa3cmd\xa1a\xa3cmd\xa1b"), BadLoad},
		"two toks":      {[]byte("\x82\xa3tok\xa1a\xa3tok\xa1b"), BadLoad},
		"two nonces":    {[]byte("\x82\xa5nonce\xa0\xa5nonce\xa1b"), BadLoad},
	} {
		if _, ref := ParseLoad(tt.load); !bytes.Equal(ref, tt.want) {
			t.Errorf("%s: %v, want %v", name, ref, tt.want)
		}
	}
	if !ValidNonce(strings.Repeat("0a", 16)) || ValidNonce(strings.Repeat("0A", 16)) || ValidNonce("") {
		t.Error("ValidNonce")
	}
}

func TestMapWriter_manyPairs(t *testing.T) {
	for _, n := range []int{0, 15, 16, 17, 70000} {
		w := beginMap([]byte("before"), Wire)
		want := &Map{}
		for i := range n {
			w.int(fmt.Sprint(i), int64(i))
			want.Set(fmt.Sprint(i), i)
		}
		exp, err := Append([]byte("before"), want, Wire)
		if got := w.end(); err != nil || !bytes.Equal(got, exp) {
			t.Errorf("%d pairs differ", n)
		}
	}
}

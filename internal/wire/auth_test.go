package wire

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

type authVector struct {
	Version      *int     `json:"envelope_version"`
	Source       string   `json:"source"`
	RequestHex   string   `json:"request_hex"`
	ReplyHex     string   `json:"reply_hex"`
	RequestF     []string `json:"request_frames_hex"`
	ReplyF       []string `json:"reply_frames_hex"`
	ReplySigned  bool     `json:"reply_signed"`
	SessionKey   *string  `json:"session_key_string"`
	RequestWire  string   `json:"request_wire_hex"`
	ReplyLoadHex string   `json:"reply_load_hex"`
}

// authVectors returns every captured sign-in.
func authVectors(t testing.TB) []authVector {
	t.Helper()
	var all []authVector
	for _, name := range []string{"auth-exchanges.json", "auth-legacy-versions.json"} {
		var v struct {
			Vectors []authVector `json:"vectors"`
		}
		loadVectors(t, name, &v)
		all = append(all, v.Vectors...)
	}
	for i := range all {
		if all[i].RequestHex == "" {
			all[i].RequestHex, all[i].ReplyHex = all[i].RequestF[1], all[i].ReplyF[1]
		}
	}
	for _, name := range []string{"syndic-auth-v2.json", "syndic-auth-v3.json"} {
		var v struct {
			Exchanges []authVector `json:"exchanges"`
		}
		loadVectors(t, name, &v)
		for _, e := range v.Exchanges {
			e.RequestHex = e.RequestWire
			all = append(all, e)
		}
	}
	return all
}

// sortedKeys lists the keys of a map so that two orders can be compared.
func sortedMap(t testing.TB, b []byte) string {
	t.Helper()
	m, err := DecodeMap(b, Wire, LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for k, v := range m.All() {
		if sub, ok := v.(*Map); ok {
			enc, err := Encode(sub, Wire)
			if err != nil {
				t.Fatal(err)
			}
			v = sortedMap(t, enc)
		}
		parts = append(parts, string(appendRepr(nil, k, 1<<20))+"="+string(appendRepr(nil, v, 1<<20)))
	}
	slices.Sort(parts)
	return strings.Join(parts, "\n")
}

func TestAuthRequest_vectors(t *testing.T) {
	all := authVectors(t)
	if len(all) < 70 {
		t.Fatalf("only %d sign-ins", len(all))
	}
	for i, v := range all {
		body := unhex(t, v.RequestHex)
		env, ref := ParseEnvelope(body)
		if ref != nil || env.Enc != EncClear {
			t.Fatalf("%d: %v", i, ref)
		}
		if v.Version != nil && int(env.Level) != *v.Version {
			t.Errorf("%d: level %d, want %d", i, env.Level, *v.Version)
		}
		load, ref := ParseLoad(env.Load)
		if ref != nil || load.Cmd != CmdAuth || load.ID == "" {
			t.Fatalf("%d: %+v %v", i, load, ref)
		}
		req, err := ParseAuthRequest(env.Load, env.Level)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if req.ID != load.ID || req.Nonce != load.Nonce {
			t.Errorf("%d: dispatch and request disagree", i)
		}
		out, err := req.AppendEnvelope(nil)
		if err != nil {
			t.Fatal(err)
		}
		if v.Version != nil && *v.Version == 0 {
			continue // says version 0, which is as good as saying nothing
		}
		if strings.HasPrefix(v.Source, "hand-made") {
			if sortedMap(t, out) != sortedMap(t, body) { // the hand-made client has its own order
				t.Errorf("%d: %x\nwant %x", i, out, body)
			}
		} else if !bytes.Equal(out, body) {
			t.Errorf("%d: %x\nwant %x", i, out, body)
		}
	}
}

func TestAuthReply_vectors(t *testing.T) {
	for i, v := range authVectors(t) {
		if v.ReplyHex == "" {
			a, err := parseAccept(unhex(t, v.ReplyLoadHex))
			if err != nil || !bytes.Equal(a.AppendWire(nil), unhex(t, v.ReplyLoadHex)) {
				t.Errorf("%d: inner load differs: %v", i, err)
			}
			continue
		}
		body := unhex(t, v.ReplyHex)
		r, err := ParseAuthReply(body)
		if err != nil || r.Accept == nil {
			t.Fatalf("%d: %+v, %v", i, r, err)
		}
		if (r.SignedLoad != nil) != v.ReplySigned {
			t.Errorf("%d: signed %v, want %v", i, r.SignedLoad != nil, v.ReplySigned)
		}
		if (r.Accept.Session != nil) != (v.SessionKey != nil && *v.SessionKey != "") {
			t.Errorf("%d: session key presence is wrong", i)
		}
		out := r.Accept.AppendWire(nil)
		if r.SignedLoad != nil {
			if !bytes.Equal(out, r.SignedLoad) {
				t.Errorf("%d: load differs", i)
			}
			out = AppendAuthSigned(nil, out, r.Sig)
		}
		if !bytes.Equal(out, body) {
			t.Errorf("%d: %x\nwant %x", i, out, body)
		}
	}
}

type errorVector struct {
	Version  string `json:"salt_version"`
	Name     string `json:"name"`
	Request  string `json:"request_hex"`
	Reply    string `json:"reply_hex"`
	ReplyMap any    `json:"reply_load"`
}

func errorVectors(t testing.TB) []errorVector {
	t.Helper()
	var v struct {
		Vectors []errorVector `json:"vectors"`
	}
	loadVectors(t, "auth-errors.json", &v)
	return v.Vectors
}

// answer does what a master does before any key is involved: rows 1, 2, 6 to 8 and the commands that need none.
func answer(t testing.TB, body []byte) []byte {
	env, ref := ParseEnvelope(body)
	if ref != nil {
		return ref
	}
	if env.Enc == EncAES {
		return BadLoad // nothing in these vectors can be decrypted
	}
	load, ref := ParseLoad(env.Load)
	switch {
	case ref != nil:
		return ref
	case !load.HasCmd:
		return PayloadException
	case load.Cmd == CmdPing:
		return load.Raw
	case load.Cmd != CmdAuth:
		return EmptyMap
	}
	req, err := ParseAuthRequest(env.Load, env.Level)
	switch {
	case err != nil:
		t.Fatalf("%x: %v", body, err)
	case req.EncAlgo != "" && req.EncAlgo != "OAEP-SHA1":
		return AuthBadEncAlgo
	case req.SigAlgo != "" && req.SigAlgo != "PKCS1v15-SHA1":
		return AuthBadSigAlgo
	case env.Level < 2:
		return AppendAuthPlain(nil, false)
	}
	return AppendAuthRet(nil, false, req.Nonce)
}

func TestErrors_repliesByteForByte(t *testing.T) {
	all := errorVectors(t)
	if len(all) != 120 {
		t.Fatalf("%d vectors", len(all))
	}
	for _, v := range all {
		got, want := answer(t, unhex(t, v.Request)), unhex(t, v.Reply)
		if v.ReplyMap != nil {
			r, err := ParseAuthReply(want)
			if err != nil || r.Ret != false || r.Sig == nil {
				t.Fatalf("%s: %+v, %v", v.Name, r, err)
			}
			if !bytes.Equal(AppendAuthSigned(nil, got, r.Sig), want) {
				t.Errorf("%s %s: signed reply differs", v.Version, v.Name)
			}
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s %s: %x, want %x", v.Version, v.Name, got, want)
		}
	}
}

func TestAuthRequest_refusals(t *testing.T) {
	enc := func(kv ...any) []byte {
		b, err := Encode(NewMap(kv...), Wire)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	long := strings.Repeat("x", maxPub+1)
	tests := []struct {
		name string
		load []byte
		lvl  Level
		want error
	}{
		{"no nonce", enc("cmd", CmdAuth, "id", "m", "pub", "k"), 2, ErrNonceMissing},
		{"nonce not needed", enc("cmd", CmdAuth, "id", "m", "pub", "k"), 1, nil},
		{"no pub", enc("cmd", CmdAuth, "id", "m"), 0, ErrField},
		{"pub is a number", enc("id", "m", "pub", 5), 0, ErrField},
		{"token is a list", enc("id", "m", "pub", "k", "token", []any{}), 0, ErrField},
		{"grains are a list", enc("id", "m", "pub", "k", "autosign_grains", []any{}), 0, ErrField},
		{"grains are nil", enc("id", "m", "pub", "k", "autosign_grains", nil), 0, nil},
		{"pub too long", enc("id", "m", "pub", long), 0, ErrField},
		{"token too long", enc("id", "m", "pub", "k", "token", long), 0, ErrField},
		{"nonce too long", enc("id", "m", "pub", "k", "nonce", long[:65]), 2, ErrField},
		{"two ids", []byte("\x83\xa2id\xa1a\xa2id\xa1b\xa3pub\xa1k"), 0, ErrRepeatedField},
		{"two keys", []byte("\x83\xa2id\xa1a\xa3pub\xa1b\xa3pub\xa1k"), 0, ErrRepeatedField},
		{"no map", []byte{0x90}, 0, ErrNotMap},
		{"cut off", []byte{0x81}, 0, ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseAuthRequest(tt.load, tt.lvl); !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestAuthRequest_autosignGrains(t *testing.T) {
	r := AuthRequest{
		ID: "m1", Nonce: strings.Repeat("a", 32), EncAlgo: "OAEP-SHA1", SigAlgo: "PKCS1v15-SHA1", Pub: "k", Level: 3,
		AutosignGrains: NewMap("role", "web", "n", 3, "none", nil),
	}
	b, err := r.AppendEnvelope(nil)
	if err != nil {
		t.Fatal(err)
	}
	env, ref := ParseEnvelope(b)
	if ref != nil {
		t.Fatal(ref)
	}
	got, err := ParseAuthRequest(env.Load, env.Level)
	if err != nil || got.AutosignGrains.Len() != 3 || got.AutosignGrains.Int("n") != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	var order []string
	if err := ScanMap(env.Load, func(k, _ []byte) error {
		order = append(order, string(k))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"cmd", "id", "nonce", "enc_algo", "sig_algo", "autosign_grains", "pub"}
	if !slices.Equal(order, want) {
		t.Fatalf("order %v", order)
	}
}

func TestParseAuthReply_otherAnswers(t *testing.T) {
	tests := []struct {
		name string
		body []byte
		ret  any
		err  error
	}{
		{"pending", AppendAuthPlain(nil, true), true, nil},
		{"full", AppendAuthPlain(nil, "full"), "full", nil},
		{"bad enc algo", AuthBadEncAlgo, "bad enc algo", nil},
		{"signed pending", AppendAuthSigned(nil, AppendAuthRet(nil, true, "n"), []byte("s")), true, nil},
		{"bad load", BadLoad, nil, ErrReply},
		{"bad load map", BadLoadMap, nil, ErrReply},
		{"empty map", EmptyMap, nil, ErrReply},
		{"load without ret", AppendClear(nil, []byte{0x80}, 0), nil, ErrReply},
		{"load is junk", AppendAuthSigned(nil, []byte{0xc1}, []byte("s")), nil, ErrMalformed},
		{"no sig", []byte("\x81\xa4load\xa7\x81\xa3ret\xc3\xa0"), nil, ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseAuthReply(tt.body)
			if !errors.Is(err, tt.err) || r.Ret != tt.ret {
				t.Fatalf("%+v, %v", r, err)
			}
		})
	}
}

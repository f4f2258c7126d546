package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// publications returns the frames and plaintexts of captured publications.
func publications(t testing.TB) (frames, loads [][]byte) {
	t.Helper()
	var a struct {
		Vectors []struct {
			Frames    []string `json:"frames_hex"`
			Plaintext string   `json:"plaintext_hex"`
		} `json:"vectors"`
	}
	loadVectors(t, "transport-publish.json", &a)
	for _, v := range a.Vectors {
		frames = append(frames, unhex(t, v.Frames[len(v.Frames)-1]))
		loads = append(loads, unhex(t, v.Plaintext))
	}
	var b map[string]any
	loadVectors(t, "syndic-publish.json", &b)
	for _, key := range []string{"mom_3006.10", "mom_3008"} {
		list, _ := b[key].([]any)
		for _, e := range list {
			m, _ := e.(map[string]any)
			frame, _ := m["wire_frame_hex"].(string)
			plain, _ := m["plaintext_hex"].(string)
			frames = append(frames, unhex(t, frame))
			loads = append(loads, unhex(t, plain))
		}
	}
	for i, plain := range loads {
		payload, ok := SplitPlain(plain)
		if !ok {
			t.Fatal("publication without marker")
		}
		loads[i] = payload
	}
	return frames, loads
}

func TestPublication_vectors(t *testing.T) {
	frames, loads := publications(t)
	if len(frames) != 40 {
		t.Fatalf("%d publications", len(frames))
	}
	for i, f := range frames {
		e, err := ParsePubEnvelope(f)
		if err != nil {
			t.Fatal(err)
		}
		if out := AppendPubEnvelope(nil, e.Load, e.SigAlgo, e.Sig); !bytes.Equal(out, f) {
			t.Errorf("frame %d: %x\nwant %x", i, out, f)
		}
	}
	for i, l := range loads {
		p, err := ParsePublication(l)
		if err != nil {
			t.Fatal(err)
		}
		if p.Extra != nil {
			t.Errorf("load %d: unknown keys %v", i, p.Extra)
		}
		if out, err := p.AppendLoad(nil); err != nil || !bytes.Equal(out, l) {
			t.Errorf("load %d: %x\nwant %x (%v)", i, out, l, err)
		}
	}
}

func TestPublication_everyKeyInOrder(t *testing.T) {
	want, err := Encode(NewMap(
		"fun", []any{"test.ping", "cmd.run"}, "arg", []any{[]any{}, []any{"id"}}, "tgt", []any{"a", "b"},
		"jid", "20260101000000000001", "ret", "redis", "master_id", "m", "delimiter", "|", "id", "p", "tgt_type", "list",
		"to", 9, "ret_config", "alt", "metadata", nil, "module_executors", []any{"x"}, "executor_opts", NewMap("a", 1),
		"ret_kwargs", NewMap(), "user", "root", "auth_list", []any{}, "novel", 1, "serial", uint64(1<<40),
	), Wire)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePublication(want)
	if err != nil {
		t.Fatal(err)
	}
	if p.Metadata != (Null{}) || p.Extra.Int("novel") != 1 || !p.HasAuthList {
		t.Fatalf("%+v", p)
	}
	if got, err := p.AppendLoad(nil); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%x\nwant %x (%v)", got, want, err)
	}
	if p.Map().Has("serial") {
		t.Error("the event has a serial")
	}
}

func TestPublication_oddFields(t *testing.T) {
	enc := func(kv ...any) []byte {
		b, err := Encode(NewMap(kv...), Wire)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p, err := ParsePublication(enc("fun", "f", "arg", []any{}, "tgt", "*", "jid", "1", "user", nil, "tgt_type", "", 5, "x"))
	if err != nil || p.Extra.Len() != 3 || p.User != "" {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, load := range [][]byte{
		enc("fun", "f", "arg", []any{}, "tgt", "*"),
		enc("fun", "f", "arg", []any{}, "tgt", "*", "jid", 5),
		enc("fun", "f", "arg", "x", "tgt", "*", "jid", "1"),
		enc("fun", nil, "arg", []any{}, "tgt", "*", "jid", "1"),
		enc("fun", "f", "arg", []any{}, "tgt", NewMap(), "jid", "1"),
	} {
		if _, err := ParsePublication(load); !errors.Is(err, ErrField) {
			t.Errorf("%x: %v", load, err)
		}
	}
	p.Serial = 1 << 63
	if _, err := p.AppendLoad(nil); !errors.Is(err, ErrField) {
		t.Errorf("serial too large: %v", err)
	}
}

// wireLoads returns captured load/reply pairs of one command from the wire vectors; msgpack only.
func wireLoads(t testing.TB, cmd string) (loads, replies [][]byte) {
	t.Helper()
	take := func(x map[string]any) {
		load, _ := x["load"].(map[string]any)
		if c, _ := load["cmd"].(string); c != cmd {
			return
		}
		l, _ := x["load_msgpack_b64"].(string)
		r, _ := x["reply_msgpack_b64"].(string)
		if l != "" {
			loads = append(loads, unbase64(t, l))
			replies = append(replies, unbase64(t, r))
		}
	}
	for _, v := range []string{"3006.10", "3007.8", "3008"} {
		var f struct {
			Scenarios []struct {
				Messages []map[string]any `json:"messages"`
			} `json:"scenarios"`
		}
		loadVectors(t, "master-wire-"+v+".json", &f)
		for _, s := range f.Scenarios {
			for _, m := range s.Messages {
				take(m)
			}
		}
	}
	for _, name := range []string{"master-clear-cases.json", "master-aes-cases.json"} {
		var f struct {
			Cases map[string]map[string]map[string]any `json:"cases"`
		}
		loadVectors(t, name, &f)
		for _, c := range f.Cases {
			for _, x := range c {
				take(x)
			}
		}
	}
	if len(loads) == 0 {
		t.Fatalf("no captured %s", cmd)
	}
	return loads, replies
}

func TestPublishRequest_vectors(t *testing.T) {
	loads, _ := wireLoads(t, CmdPublish)
	same := 0
	for _, l := range loads {
		r, err := ParsePublishRequest(l)
		if err != nil {
			t.Fatalf("%x: %v", l, err)
		}
		env, err := r.AppendEnvelope(nil, 3)
		if err != nil {
			t.Fatal(err)
		}
		e, ref := ParseEnvelope(env)
		if ref != nil || e.Level != 3 {
			t.Fatal(ref)
		}
		if bytes.Equal(e.Load, l) {
			same++
		} else if sortedMap(t, e.Load) != sortedMap(t, l) {
			t.Errorf("%x\nwant %x", e.Load, l)
		}
	}
	t.Logf("%d of %d byte for byte, the others are hand-made in another order", same, len(loads))
	if same < 190 {
		t.Errorf("only %d of %d byte for byte", same, len(loads))
	}
}

func TestPublishRequest_required(t *testing.T) {
	all := []any{"user", "u", "fun", "f", "tgt", "*", "arg", []any{}, "tgt_type", "glob", "ret", ""}
	for i := 0; i < len(all); i += 2 {
		m := NewMap(all...)
		key, _ := all[i].(string)
		m.Delete(key)
		b, err := Encode(m, Wire)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePublishRequest(b); !errors.Is(err, ErrField) {
			t.Errorf("without %s: %v", key, err)
		}
	}
	for key, v := range map[string]any{
		"fun": 5, "tgt": nil, "arg": "x", "user": 1, "ret": 1, "jid": []any{}, "kwargs": "x", "to": "x", "key": 1,
	} {
		m := NewMap(all...)
		m.Set(key, v)
		b, err := Encode(m, Wire)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePublishRequest(b); !errors.Is(err, ErrField) {
			t.Errorf("%s = %v: %v", key, v, err)
		}
	}
	b, err := Encode(NewMap(append(all, "to", 2.5, "jid", nil, "kwargs", nil)...), Wire)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := ParsePublishRequest(b); err != nil || r.To != 2 || !r.HasTo {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestPublishReply_vectors(t *testing.T) {
	loads, replies := wireLoads(t, CmdPublish)
	for i, b := range replies {
		r, err := ParsePublishReply(b)
		if err != nil {
			if bytes.Equal(b, PayloadException) && errors.Is(err, ErrReply) {
				continue
			}
			t.Fatalf("%x: %v", b, err)
		}
		if out := r.Append(nil); !bytes.Equal(out, b) {
			t.Errorf("%x\nwant %x", out, b)
		}
		req, err := ParsePublishRequest(loads[i])
		if err == nil && strings.HasPrefix(r.Err, "Master could") && r.Err != UnresolvedTarget(req.Tgt) {
			t.Errorf("%q, want %q", UnresolvedTarget(req.Tgt), r.Err)
		}
	}
	for _, b := range [][]byte{BadLoad, BadLoadMap, EmptyMap, Nil, AppendClear(nil, []byte{0x80}, 0), {0xc1}} {
		if r, err := ParsePublishReply(b); err == nil {
			t.Errorf("%x is read as %+v", b, r)
		}
	}
	if r, err := ParsePublishReply(JIDNotAssigned); err != nil || r.Err == "" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := ParsePublishReply(AuthorizationError); err != nil || r.ErrName != "AuthorizationError" {
		t.Errorf("%+v, %v", r, err)
	}
}

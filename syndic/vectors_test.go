package syndic

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// authVectors is syndic-auth-v2.json and -v3.json.
type authVectors struct {
	ID        string `json:"syndic_id"`
	MinionPEM string `json:"syndic_minion_pem"`
	MasterPEM string `json:"mom_master_pem"`
	Exchanges []struct {
		Request    string         `json:"request_wire_hex"`
		ReplyOuter map[string]any `json:"reply_outer"`
		ReplyLoad  string         `json:"reply_load_hex"`
		Derived    struct {
			AES     string `json:"aes_key_string"`
			Session string `json:"session_key_string"`
		} `json:"derived"`
	} `json:"exchanges"`
}

func parsePrivate(t testing.TB, pem string) *pki.PrivateKey {
	t.Helper()
	k, err := pki.ParsePrivateKey([]byte(pem), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSignIn_vectors opens the recorded answers with the recorded keys.
func TestSignIn_vectors(t *testing.T) {
	for name, level := range map[string]wire.Level{"syndic-auth-v2.json": 2, "syndic-auth-v3.json": 3} {
		var v authVectors
		loadVectors(t, name, &v)
		master := parsePrivate(t, v.MasterPEM)
		ident := &signin.Identity{ID: v.ID, Key: parsePrivate(t, v.MinionPEM), EncAlg: pki.OAEPSHA1, SigAlg: pki.PKCS1v15SHA1}
		if len(v.Exchanges) < 2 {
			t.Fatalf("%s: %d exchanges", name, len(v.Exchanges))
		}
		for i, x := range v.Exchanges {
			env, refusal := wire.ParseEnvelope(unhex(t, x.Request))
			if refusal != nil {
				t.Fatalf("%s %d: %s", name, i, refusal)
			}
			req, err := wire.ParseAuthRequest(env.Load, env.Level)
			if err != nil {
				t.Fatal(err)
			}
			ch := signin.Challenge{Nonce: req.Nonce}
			if req.Token != nil {
				token, err := master.Decrypt(pki.OAEPSHA1, req.Token)
				if err != nil {
					t.Fatal(err)
				}
				ch.Token, ch.Pinned = string(token), master.Public()
			}
			sig := unhex(t, x.ReplyOuter["sig"].(map[string]any)["hex"].(string))
			body := wire.AppendAuthSigned(nil, unhex(t, x.ReplyLoad), sig)
			creds, err := ident.OpenSignIn(body, ch, signin.Acceptance{})
			if err != nil {
				t.Fatalf("%s %d: %v", name, i, err)
			}
			if creds.Level != level || creds.PublishPort != 23005 || creds.Shared.KeyString() != x.Derived.AES {
				t.Errorf("%s %d: %+v", name, i, creds)
			}
			if level == 3 && creds.RequestCipher().KeyString() != x.Derived.Session {
				t.Errorf("%s %d: another session key", name, i)
			}
			checkForged(t, ident, body, ch)
		}
		// Our own first request is the recorded one but for nonce and level.
		body, ch, err := ident.SignInRequest(nil)
		if err != nil {
			t.Fatal(err)
		}
		want := unhex(t, v.Exchanges[0].Request)
		env, _ := wire.ParseEnvelope(want)
		req, err := wire.ParseAuthRequest(env.Load, env.Level)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.Replace(body, []byte(ch.Nonce), []byte(req.Nonce), 1)
		want[len(want)-1] = 3
		if !bytes.Equal(body, want) {
			t.Errorf("%s: request\n%x\nwant\n%x", name, body, want)
		}
	}
}

// checkForged turns what an answer must match, and expects that each is noticed.
func checkForged(t *testing.T, ident *signin.Identity, body []byte, good signin.Challenge) {
	t.Helper()
	other := testKeys()[0].Public()
	for what, change := range map[string]func(b []byte, ch *signin.Challenge){
		"nonce":  func(_ []byte, ch *signin.Challenge) { ch.Nonce = wire.NewNonce() },
		"token":  func(_ []byte, ch *signin.Challenge) { ch.Token = pki.NewKeyString() },
		"pin":    func(_ []byte, ch *signin.Challenge) { ch.Pinned = other },
		"sig":    func(b []byte, _ *signin.Challenge) { b[len(b)-1] ^= 1 },
		"string": func(b []byte, _ *signin.Challenge) { b[0] = 0xa8 },
	} {
		b, ch := bytes.Clone(body), good
		change(b, &ch)
		if _, err := ident.OpenSignIn(b, ch, signin.Acceptance{}); err == nil {
			t.Errorf("answer with a wrong %s accepted", what)
		} else if what == "pin" && !errors.Is(err, signin.ErrMasterKey) {
			t.Errorf("wrong pin: %v", err)
		}
	}
}

// capture is one recorded request of the syndic.
type capture struct {
	Key   string `json:"key_string"`
	Plain string `json:"plaintext_hex"`
	Reply string `json:"reply_ciphertext_hex"`
	Nonce string `json:"reply_nonce"`
}

// captures returns the requests of a vector file with their unpacked loads.
func captures(t *testing.T, name string) (all []capture, loads [][]byte) {
	t.Helper()
	var v map[string]json.RawMessage
	loadVectors(t, name, &v)
	for key, raw := range v {
		if !strings.HasPrefix(key, "v2_") && !strings.HasPrefix(key, "v3_") {
			continue
		}
		var list []capture
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatalf("%s %s: %v", name, key, err)
		}
		for _, c := range list {
			load, ok := wire.SplitPlain(unhex(t, c.Plain))
			if !ok {
				t.Fatal("plaintext without marker")
			}
			all, loads = append(all, c), append(loads, load)
		}
	}
	return all, loads
}

func proofOf(load []byte) wire.Proof {
	var p wire.Proof
	_ = wire.ScanMap(load, func(key, val []byte) error {
		switch string(key) {
		case "id":
			p.ID, _ = wire.Str(val)
		case "nonce":
			p.Nonce, _ = wire.Str(val)
		case "tok":
			p.Tok, _ = wire.Bytes(val)
		case "ts":
			p.TS, _ = wire.Int(val)
		}
		return nil
	})
	return p
}

func TestReply_vectors(t *testing.T) {
	for _, name := range []string{"syndic-return.json", "syndic-events.json"} {
		all, _ := captures(t, name)
		if len(all) < 8 {
			t.Fatalf("%s: %d requests", name, len(all))
		}
		for _, c := range all {
			key, err := pki.NewCipher(c.Key)
			if err != nil {
				t.Fatal(err)
			}
			body := wire.AppendBytes(nil, unhex(t, c.Reply), wire.Wire)
			reply, err := signin.OpenReply(&signin.Credentials{Shared: key}, body, c.Nonce)
			if err != nil || !wire.IsNil(reply) || acknowledged(reply) != nil {
				t.Errorf("%s: %x, %v", name, reply, err)
			}
			if _, err := signin.OpenReply(&signin.Credentials{Shared: key}, body, wire.NewNonce()); !errors.Is(err, wire.ErrNonce) {
				t.Errorf("%s: reply to another request: %v", name, err)
			}
			if _, err := signin.OpenReply(&signin.Credentials{Shared: newCipher(t)}, body, c.Nonce); !errors.Is(err, signin.ErrStaleKeys) {
				t.Errorf("%s: reply under another key: %v", name, err)
			}
		}
	}
}

// TestReturns_vectors: the events that stock saw make the request that stock sent, without the load.
func TestReturns_vectors(t *testing.T) {
	_, loads := captures(t, "syndic-return.json")
	for _, load := range loads {
		list, err := wire.ParseSyndicReturns(load)
		if err != nil {
			t.Fatal(err)
		}
		f := NewForwarder(ForwarderConfig{ID: list[0].ID, Upstreams: []string{"a"}})
		in := newIntake(t, 1)
		box := in.boxes[0]
		for i := range list {
			f.Note(list[i].JID, "", 0)
			for _, m := range list[i].Minions {
				data := wire.Transcode(nil, list[i].AppendReturn(nil, m), wire.Local)
				putAll(t, in, f.Sort("salt/job/"+list[i].JID+"/ret/"+m.ID, data))
			}
			list[i].Load = nil
		}
		b := takeBatch(t, box)
		p := proofOf(load)
		got, err := b.load(list[0].ID, p)
		if want := wire.AppendSyndicReturns(nil, list, p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x\nwant %x, %v", got, want, err)
		}
	}
}

func putAll(t testing.TB, in *intake, routed []Routed) {
	t.Helper()
	in.put(routed...)
	if err := in.store.Sync(); err != nil {
		t.Fatal(err)
	}
}

// TestEvents_vectors: batches without an announcement come out byte for byte; announcements have the
// jid inside.
func TestEvents_vectors(t *testing.T) {
	_, loads := captures(t, "syndic-events.json")
	same, announced := 0, 0
	for _, load := range loads {
		e, err := wire.ParseMinionEvent(load)
		if err != nil {
			t.Fatal(err)
		}
		if !e.HasEvents {
			continue
		}
		f := NewForwarder(ForwarderConfig{ID: e.ID, Upstreams: []string{"a"}})
		in := newIntake(t, 1)
		box := in.boxes[0]
		plain := true
		for _, item := range e.Events {
			putAll(t, in, f.Sort(item.Tag, wire.Transcode(nil, item.Data, wire.Local)))
			if id, ok := newTag(item.Tag); ok {
				plain, announced = false, announced+1
				box.forget()
				b := takeBatch(t, box)
				if len(b.events) < 2 || b.events[len(b.events)-2].Tag != id || !bytes.Contains(b.events[len(b.events)-2].Data, []byte("minions")) {
					t.Errorf("announcement of %s: %+v", id, b.events)
				}
			}
		}
		if !plain {
			continue
		}
		b := takeBatch(t, box)
		got, err := b.load(e.ID, proofOf(load))
		if err != nil || !bytes.Equal(got, load) {
			t.Errorf("%x\nwant %x, %v", got, load, err)
		}
		same++
	}
	if same == 0 || announced == 0 {
		t.Errorf("%d batches byte for byte, %d announcements", same, announced)
	}
}

// TestPublications_vectors opens the recorded publications, and compares the request they become with
// the one that stock made of them.
func TestPublications_vectors(t *testing.T) {
	type publicationVector struct {
		Frame string `json:"wire_frame_hex"`
		Key   string `json:"key_string"`
	}
	type requestVector struct {
		Request struct{ Load json.RawMessage }
	}
	var v struct {
		Pubs6 []publicationVector `json:"mom_3006.10"`
		Pubs8 []publicationVector `json:"mom_3008"`
		Reqs6 []requestVector     `json:"syndic_to_local_master_3006.10"`
		Reqs8 []requestVector     `json:"syndic_to_local_master_3007.8"`
	}
	loadVectors(t, "syndic-publish.json", &v)
	pubs, reqs := append(v.Pubs6, v.Pubs8...), append(v.Reqs6, v.Reqs8...)
	if len(pubs) != 8 || len(reqs) != 8 {
		t.Fatalf("%d publications, %d requests", len(pubs), len(reqs))
	}
	cfg := config.DefaultSyndic()
	cfg.User = "root"
	for i, p := range pubs {
		key, err := pki.NewCipher(p.Key)
		if err != nil {
			t.Fatal(err)
		}
		load, _, err := signin.OpenPublication(&signin.Credentials{Shared: key}, unhex(t, p.Frame), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := new(publication).fill(load); err != nil || load.Has("serial") {
			t.Errorf("serial of %s: %v", load.Str("jid"), err)
		}
		req := localRequest(load, "<content of .root_key>", cfg)
		if hasMetadata := load.Has("metadata"); hasMetadata != req.Kwargs.Has("metadata") {
			t.Error("metadata is lost")
		}
		req.Kwargs.Delete("metadata") // stock loses it
		raw, err := req.AppendLoad(nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.DecodeMap(raw, wire.Wire, wire.LoadLimits)
		if err != nil {
			t.Fatal(err)
		}
		var got, want bytes.Buffer
		writeJSON(&got, m)
		if err := json.Compact(&want, reqs[i].Request.Load); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%s\nwant %s", got.String(), want.String())
		}
	}
}

// writeJSON keeps the order of maps.
func writeJSON(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case *wire.Map:
		b.WriteByte('{')
		n := 0
		for k, e := range v.All() {
			if n++; n > 1 {
				b.WriteByte(',')
			}
			writeJSON(b, k)
			b.WriteByte(':')
			writeJSON(b, e)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	default:
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			panic(err)
		}
		b.Truncate(b.Len() - 1)
	}
}

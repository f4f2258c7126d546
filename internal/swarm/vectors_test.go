package swarm

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// hexBytes is a byte string written as hex in a vector.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

func loadVectors(t testing.TB, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func vectorKey(t testing.TB, name string) *pki.PrivateKey {
	t.Helper()
	var file struct {
		Keys map[string]struct {
			PrivatePEM string `json:"private_pem"`
		}
	}
	loadVectors(t, "crypto-keys.json", &file)
	key, err := pki.ParsePrivateKey([]byte(file.Keys[name].PrivatePEM), nil)
	if err != nil {
		t.Fatalf("key %s: %v", name, err)
	}
	return key
}

// vectorMinion is the minion of the vectors in a swarm of one.
func vectorMinion(t testing.TB, key *pki.PrivateKey, level wire.Level) *minion {
	t.Helper()
	s, err := New(Config{
		Masters: []Master{{Host: "127.0.0.1"}}, N: 1, FirstIndex: 1, IDTemplate: "m%d.example",
		Level: level, Keys: []*pki.PrivateKey{key}, VerifyPublications: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.minions[0]
}

func TestVectors_authExchanges(t *testing.T) {
	var file struct {
		Vectors []struct {
			SaltVersion string     `json:"salt_version"`
			Config      string     `json:"config"`
			Level       wire.Level `json:"envelope_version"`
			MinionKey   string     `json:"minion_key"`
			Request     []hexBytes `json:"request_frames_hex"`
			Reply       []hexBytes `json:"reply_frames_hex"`
			AES         string     `json:"aes_key_string"`
			Session     string     `json:"session_key_string"`
			TokenPlain  string     `json:"token_plain"`
		}
	}
	loadVectors(t, "auth-exchanges.json", &file)
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range file.Vectors {
		t.Run(v.SaltVersion+"/"+v.Config, func(t *testing.T) {
			m := vectorMinion(t, vectorKey(t, v.MinionKey), v.Level)
			sent, refusal := wire.ParseEnvelope(v.Request[1])
			if refusal != nil {
				t.Fatal(refusal)
			}
			old, err := wire.ParseAuthRequest(sent.Load, v.Level)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := m.authRequest(old.Nonce, old.Token).AppendEnvelope(nil)
			if err != nil || !bytes.Equal(ours, v.Request[1]) {
				t.Errorf("request differs (%v)\nours  %x\nstock %x", err, ours, v.Request[1])
			}
			creds, err := m.checkAuth(v.Reply[1], old.Nonce, v.TokenPlain, nil)
			if err != nil {
				t.Fatal(err)
			}
			if creds.shared.cipher.KeyString() != v.AES {
				t.Error("another shared key")
			}
			if v.Level == 3 && creds.session.KeyString() != v.Session {
				t.Error("another session key")
			}
			checkAuthRefuses(t, m, v.Reply[1], old.Nonce, v.TokenPlain)
		})
	}
}

// checkAuthRefuses changes one thing at a time about a good reply.
func checkAuthRefuses(t *testing.T, m *minion, reply []byte, nonce, token string) {
	t.Helper()
	if _, err := m.checkAuth(reply, wire.NewNonce(), token, nil); err == nil {
		t.Error("another nonce passes")
	}
	if _, err := m.checkAuth(reply, nonce, pki.NewKeyString(), nil); err == nil {
		t.Error("another token passes")
	}
	for i := len("\x83\xa3enc\xa5clear"); i < len(reply); i += 7 {
		bad := bytes.Clone(reply)
		bad[i] ^= 0x20
		if _, err := m.checkAuth(bad, nonce, token, nil); err == nil {
			t.Errorf("a flipped bit at %d of %d passes", i, len(reply))
		}
	}
}

type requestVector struct {
	SaltVersion string     `json:"salt_version"`
	Cmd         string     `json:"cmd"`
	Level       wire.Level `json:"envelope_version"`
	KeyString   string     `json:"key_string"`
	Request     []hexBytes `json:"request_frames_hex"`
	Plain       hexBytes   `json:"request_plaintext_hex"`
	Reply       []hexBytes `json:"reply_frames_hex"`
	ReplyKind   string     `json:"reply_kind"`
	RequestLoad struct {
		Nonce string
	} `json:"request_load"`
}

// TestVectors_requests rebuilds each request of a stock minion and compares plaintext and envelope.
func TestVectors_requests(t *testing.T) {
	var file struct{ Vectors []requestVector }
	loadVectors(t, "auth-aes-requests.json", &file)
	key := vectorKey(t, "minion")
	tok, err := key.SignX931([]byte("salt"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, v := range file.Vectors {
		if v.Request == nil {
			continue // the pillar requests were recorded without bytes
		}
		seen[v.Cmd]++
		t.Run(v.SaltVersion+"/"+v.Cmd, func(t *testing.T) {
			payload, ok := wire.SplitPlain(v.Plain)
			if !ok {
				t.Fatal("no marker")
			}
			load, err := wire.DecodeMap(payload, wire.Wire, wire.LoadLimits)
			if err != nil {
				t.Fatal(err)
			}
			var f *fields
			switch v.Cmd {
			case wire.CmdMinionEvent:
				f = eventFields(load.Str("id"), load.Str("tag"), load.Str("data"), tok)
			case wire.CmdReturn:
				f = rebuildReturn(t, load)
			default:
				t.Fatalf("unexpected command")
			}
			ours := f.appendLoad(nil, v.Level, load.Str("nonce"), time.Unix(load.Int("ts"), 0), tok)
			if !bytes.Equal(ours, payload) {
				t.Fatalf("load differs\nours  %q\nstock %q", ours, payload)
			}
			checkEnvelope(t, v, key, load)
		})
	}
	if seen[wire.CmdReturn] == 0 || seen[wire.CmdMinionEvent] == 0 {
		t.Fatalf("vectors missing: %v", seen)
	}
}

func rebuildReturn(t *testing.T, load *wire.Map) *fields {
	t.Helper()
	stamp, err := time.Parse(stampLayout, load.Str("_stamp"))
	if err != nil {
		t.Fatal(err)
	}
	get := func(key string) any { v, _ := load.Get(key); return v }
	pub := wire.NewMap("fun", get("fun"), "arg", get("fun_args"), "jid", get("jid"), "user", get("user"))
	f, err := returnFields(load.Str("id"), pub, outcome{ret: get("return"), retcode: get("retcode"), success: get("success")}, stamp)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkEnvelope compares all but the ciphertext, whose IV is random: ours must open to the same size.
func checkEnvelope(t *testing.T, v requestVector, key *pki.PrivateKey, load *wire.Map) {
	t.Helper()
	stock, refusal := wire.ParseEnvelope(v.Request[1])
	if refusal != nil {
		t.Fatal(refusal)
	}
	m := vectorMinion(t, key, v.Level)
	cipher, err := pki.NewCipher(v.KeyString)
	if err != nil {
		t.Fatal(err)
	}
	creds := &credentials{shared: &sharedKey{cipher: cipher}}
	if v.Level >= 3 {
		creds.session = cipher
	}
	f := &fields{}
	f.str("cmd", "x")
	body, err := m.sealed(f, creds, load.Str("nonce"))
	if err != nil {
		t.Fatal(err)
	}
	ours, refusal := wire.ParseEnvelope(body)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if _, err := cipher.Open(nil, ours.Load); err != nil {
		t.Fatal(err)
	}
	ours.Load = stock.Load
	if !bytes.Equal(ours.Append(nil), v.Request[1]) {
		t.Errorf("envelope differs\nours  %q\nstock %q", ours.Append(nil), v.Request[1])
	}
}

func TestVectors_replies(t *testing.T) {
	var file struct{ Vectors []requestVector }
	loadVectors(t, "auth-aes-requests.json", &file)
	key, masterKey := vectorKey(t, "minion"), vectorKey(t, "master").Public()
	pillars, plain := 0, 0
	for _, v := range file.Vectors {
		m := vectorMinion(t, key, v.Level)
		cipher, err := pki.NewCipher(v.KeyString)
		if err != nil {
			t.Fatal(err)
		}
		nonce := v.RequestLoad.Nonce
		if v.ReplyKind == "private" {
			pillars++
			top, err := wire.DecodeMap(v.Reply[1], wire.Wire, wire.OuterLimits)
			if err != nil {
				t.Fatal(err)
			}
			creds := &credentials{masterKey: masterKey}
			if err := m.openPillar(top, creds, nonce); err != nil {
				t.Errorf("%s: %v", v.SaltVersion, err)
			}
			if err := m.openPillar(top, creds, wire.NewNonce()); err == nil {
				t.Errorf("%s: a pillar for another nonce passes", v.SaltVersion)
			}
			continue
		}
		plain++
		if payload, err := openReply(v.Reply[1], cipher, nonce); err != nil || !wire.IsNil(payload) {
			t.Errorf("%s %s: %x, %v", v.SaltVersion, v.Cmd, payload, err)
		}
	}
	if pillars == 0 || plain == 0 {
		t.Fatal("vectors missing")
	}
}

func TestVectors_publications(t *testing.T) {
	var file struct {
		Vectors []struct {
			SaltVersion string     `json:"salt_version"`
			Frames      []hexBytes `json:"frames_hex"`
			AES         string     `json:"aes_key_string"`
			Load        struct {
				JID     string
				TgtType string `json:"tgt_type"`
				Tgt     any
				Serial  uint64
			}
		}
	}
	loadVectors(t, "transport-publish.json", &file)
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	m := vectorMinion(t, vectorKey(t, "minion"), 3) // m1.example, whom glob, list and pcre of the vectors name
	for i, v := range file.Vectors {
		cipher, err := pki.NewCipher(v.AES)
		if err != nil {
			t.Fatal(err)
		}
		shared := &sharedKey{cipher: cipher, masterKey: vectorKey(t, "master").Public()}
		frame := v.Frames[len(v.Frames)-1]
		pub, err := shared.open(m.swarm, frame, time.Now())
		if err != nil {
			t.Errorf("%d %s: %v", i, v.SaltVersion, err)
			continue
		}
		if pub.jid != v.Load.JID || pub.serial != v.Load.Serial {
			t.Errorf("%d: jid %s serial %d, want %+v", i, pub.jid, pub.serial, v.Load)
		}
		kind := v.Load.TgtType
		known := kind == "" || kind == "glob" || kind == "list" || kind == "pcre"
		if pub.noKind == known || pub.targeted(0) != known {
			t.Errorf("%d: %s %v: targeted %v, kind unknown %v", i, kind, v.Load.Tgt, pub.targeted(0), pub.noKind)
		}
		bad := bytes.Clone(frame)
		bad[len(bad)-1] ^= 1
		if _, err := shared.open(m.swarm, bad, time.Now()); err == nil {
			t.Errorf("%d: a changed signature passes", i)
		}
	}
}

package pki

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// The recorded sign-ins of stock minions: what the reply holds must open, verify and recover with our keys.
func TestAuthExchanges(t *testing.T) {
	var v struct {
		Vectors []struct {
			Release   string `json:"salt_version"`
			Config    string
			MinionKey string `json:"minion_key"`
			MasterKey string `json:"master_key"`
			Request   struct {
				Load struct {
					Pub, EncAlgo string
					Token        hexValue
					Algo         string `json:"enc_algo"`
				}
			}
			Reply struct {
				PubKey  string `json:"pub_key"`
				PubSig  string `json:"pub_sig"`
				AES     hexValue
				Session hexValue
				Sig     hexValue
				Token   hexValue
			} `json:"reply_load"`
			AESKey      string  `json:"aes_key_string"`
			SessionKey  *string `json:"session_key_string"`
			SigRecovers string  `json:"sig_recovers"`
			TokenPlain  string  `json:"token_plain"`
			PubSigKey   string  `json:"pub_sig_key"`
			PubSigValid bool    `json:"pub_sig_valid"`
		}
	}
	readVectors(t, "auth-exchanges.json", &v)
	if len(v.Vectors) == 0 {
		t.Fatal("auth-exchanges.json holds no exchange")
	}
	key := keyRing(t)
	tokens, signatures := 0, 0
	for _, v := range v.Vectors {
		t.Run(v.Release+" "+v.Config, func(t *testing.T) {
			master, minion := key(v.MasterKey), key(v.MinionKey)
			alg, err := ParseEncAlgorithm(v.Request.Load.Algo)
			if err != nil {
				t.Fatal(err)
			}
			if v.Reply.PubKey != master.Public().Clean() || v.Request.Load.Pub != minion.Public().Clean() {
				t.Error("a public key travels in another form than Clean")
			}
			opens := func(name string, key *PrivateKey, box hexValue, want string) {
				t.Helper()
				got, err := key.Decrypt(alg, unhex(t, box.Hex))
				// The challenge is a binary string; the file shows it as text where it is one.
				if err != nil || want != "" && string(got) != want {
					t.Errorf("%s: %v", name, err)
				}
			}
			opens("aes", minion, v.Reply.AES, v.AESKey)
			if v.SessionKey != nil {
				opens("session", minion, v.Reply.Session, *v.SessionKey)
			}
			if v.Request.Load.Token.Hex != "" {
				tokens++
				opens("request token", master, v.Request.Load.Token, v.TokenPlain)
				opens("reply token", minion, v.Reply.Token, v.TokenPlain)
			}
			digest := sha256.Sum256([]byte(v.AESKey))
			text := hex.EncodeToString(digest[:])
			sig, err := master.SignX931([]byte(text))
			if err != nil || !bytes.Equal(sig, unhex(t, v.Reply.Sig.Hex)) || text != v.SigRecovers {
				t.Errorf("sig differs from the recorded one: %v", err)
			}
			back, err := master.Public().RecoverX931(unhex(t, v.Reply.Sig.Hex))
			if err != nil || string(back) != v.SigRecovers {
				t.Errorf("sig recovers %q, %v", back, err)
			}
			if v.PubSigKey == "" {
				return
			}
			signatures++
			raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(v.Reply.PubSig))
			if err != nil {
				t.Fatal(err)
			}
			if err := key(v.PubSigKey).Public().Verify(PKCS1v15SHA1, []byte(v.Reply.PubKey), raw); (err == nil) != v.PubSigValid {
				t.Errorf("pub_sig: %v", err)
			}
			text, err = Presign(key(v.PubSigKey), master.Public(), PKCS1v15SHA1)
			if err != nil || text != v.Reply.PubSig {
				t.Errorf("Presign = %q, %v", text, err)
			}
		})
	}
	if tokens == 0 || signatures == 0 {
		t.Errorf("%d exchanges with token, %d with pub_sig: the file is incomplete", tokens, signatures)
	}
}

// Every tok in the recorded encrypted requests is the one our copy of the key makes.
func TestTok_recorded(t *testing.T) {
	var v struct {
		Vectors []struct {
			Name      string
			MinionKey string `json:"minion_key"`
			Load      struct {
				Tok hexValue
			} `json:"request_load"`
		}
	}
	readVectors(t, "auth-aes-by-version.json", &v)
	key := keyRing(t)
	good := 0
	for _, v := range v.Vectors {
		tok := unhex(t, v.Load.Tok.Hex)
		if len(tok) == 0 {
			continue
		}
		want, err := Tok(key(v.MinionKey))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(tok, want) {
			good++
			continue
		}
		if !strings.Contains(v.Name, "tok") {
			t.Errorf("%s: tok differs", v.Name)
		}
		if back, err := key(v.MinionKey).Public().RecoverX931(tok); err == nil && string(back) == tokMessage {
			t.Errorf("%s: a foreign tok recovers", v.Name)
		}
	}
	if good == 0 {
		t.Fatal("auth-aes-by-version.json holds no tok")
	}
}

// The recorded private replies: the signature over their data verifies with the master key.
func TestPrivateReplies_recorded(t *testing.T) {
	var v struct {
		Vectors []struct {
			Kind string `json:"reply_kind"`
			Key  string `json:"reply_key_string"`
			Data string `json:"signed_data_hex"`
			Sig  string `json:"signed_sig_hex"`
		}
	}
	readVectors(t, "auth-aes-requests.json", &v)
	master := testKey(t, "master").Public()
	seen := 0
	for i, v := range v.Vectors {
		if v.Sig == "" {
			continue
		}
		seen++
		if err := master.Verify(PKCS1v15SHA1, unhex(t, v.Data), unhex(t, v.Sig)); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		testCipher(t, v.Key)
	}
	if seen == 0 {
		t.Fatal("auth-aes-requests.json holds no private reply")
	}
}

package relay

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// signIn is the body of a sign-in, of a syndic that has the master's key already or not.
func signIn(t testing.TB, id, key string, knowsMaster bool) []byte {
	t.Helper()
	r := wire.AuthRequest{ID: id, Nonce: "0123456789abcdef0123456789abcdef", Pub: key, Level: 3}
	if knowsMaster {
		r.Token = []byte("a challenge")
	}
	body, err := r.AppendEnvelope(nil)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// sealed is the body of another request.
func sealed() []byte {
	return wire.Envelope{Enc: wire.EncAES, Load: []byte("sealed"), ID: "syn1", Level: 3}.Append(nil)
}

// TestNewcomers: who subscribes without a sign-in before it was there already, and remembers what it had, unless it made its key.
func TestNewcomers(t *testing.T) {
	t.Parallel()
	type step struct {
		at    time.Duration
		body  []byte // nil: somebody subscribes
		fresh bool
		gone  bool // nobody subscribes then
	}
	a, b := signIn(t, "a", "key a", true), signIn(t, "b", "key b", true)
	first := signIn(t, "a", "key a", false)
	for name, steps := range map[string][]step{
		"nobody signed in":            {{0, sealed(), false, true}, {0, nil, true, true}},
		"signed in, long ago":         {{0, a, false, true}, {time.Hour, nil, true, true}, {time.Hour + 1, nil, false, true}},
		"soon after another":          {{0, a, false, true}, {1, nil, true, true}, {signInTime - 1, nil, true, true}, {signInTime, nil, false, true}},
		"signed in again":             {{0, a, false, true}, {1, nil, true, true}, {time.Hour, a, false, false}, {2 * time.Hour, nil, true, false}, {2*time.Hour + 1, nil, false, false}},
		"several ids":                 {{0, a, false, true}, {1, nil, true, true}, {2, b, false, false}, {signInTime * 2, nil, true, false}, {signInTime * 3, nil, true, false}, {signInLong + 2, nil, false, false}},
		"what is no request":          {{0, a, false, true}, {1, nil, true, true}, {2, []byte("?"), false, false}, {signInTime * 2, nil, true, false}, {signInTime * 3, nil, true, false}, {signInLong + 2, nil, false, false}},
		"made its key":                {{0, first, false, true}, {1, first, false, true}, {2, nil, true, true}, {time.Hour, nil, true, true}},
		"made its key, signs in anew": {{0, first, false, true}, {2, nil, true, true}, {3, a, false, false}, {time.Hour, nil, true, true}, {2 * time.Hour, nil, true, true}},
		"another process than the one that made the key": {
			{0, first, false, true}, {2, nil, true, true}, {3, a, false, true}, {time.Hour, nil, true, true}, {2 * time.Hour, nil, false, true},
		},
		"another key": {{0, a, false, true}, {2, nil, true, true}, {3, signIn(t, "a", "key c", true), false, true}, {time.Hour, nil, true, true}, {2 * time.Hour, nil, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone, saved := true, []syndicKey(nil)
			n, begin := &newcomers{present: func() bool { return !gone }, save: func(k []syndicKey) { saved = k }}, time.Unix(1_800_000_000, 0)
			for i, s := range steps {
				if gone = s.gone; s.body != nil {
					n.saw(s.body, begin.Add(s.at))
				} else if got := n.joins(begin.Add(s.at)); got != s.fresh {
					t.Errorf("step %d: %v, want %v", i, got, s.fresh)
				}
			}
			value, err := json.Marshal(saved)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := decodeSyndicKeys(value); err != nil || len(back) != len(saved) {
				t.Errorf("%s: %v, %v", value, back, err)
			}
		})
	}
}

// TestNewcomers_bounded: strangers fill no memory.
func TestNewcomers_bounded(t *testing.T) {
	t.Parallel()
	n := &newcomers{present: func() bool { return false }, save: func([]syndicKey) {}}
	for i := range 2 * maxSyndicKeys {
		n.saw(signIn(t, fmt.Sprint("id", i), "key", true), time.Unix(int64(i), 0))
	}
	if len(n.keys) != maxSyndicKeys {
		t.Errorf("%d keys", len(n.keys))
	}
	if _, err := decodeSyndicKeys([]byte("{")); err == nil {
		t.Error("no error")
	}
}

func FuzzNewcomers(f *testing.F) {
	f.Add(signIn(f, "a", "key", true), true)
	f.Add(sealed(), false)
	f.Fuzz(func(t *testing.T, body []byte, present bool) {
		n := &newcomers{present: func() bool { return present }, save: func([]syndicKey) {}}
		n.saw(body, time.Unix(1_800_000_000, 0))
		n.joins(time.Unix(1_800_000_001, 0))
	})
}

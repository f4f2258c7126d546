package relay

import (
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// signIn is the body of a sign-in, sealed that of another request.
func signIn(t *testing.T, id string) []byte {
	t.Helper()
	body, err := wire.AuthRequest{ID: id, Nonce: "0123456789abcdef0123456789abcdef", Pub: "a key", Level: 3}.AppendEnvelope(nil)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func sealed() []byte {
	return wire.Envelope{Enc: wire.EncAES, Load: []byte("sealed"), ID: "syn1", Level: 3}.Append(nil)
}

// TestNewcomers: who subscribes without a sign-in before it was there already.
func TestNewcomers(t *testing.T) {
	t.Parallel()
	type step struct {
		at   time.Duration
		body []byte // nil: somebody subscribes
		want bool
	}
	for name, steps := range map[string][]step{
		"nobody signed in":             {{0, sealed(), false}, {0, nil, false}},
		"signed in":                    {{0, signIn(t, "a"), false}, {0, nil, true}},
		"signed in, long ago":          {{0, signIn(t, "a"), false}, {time.Hour, nil, true}, {time.Hour + 1, nil, false}},
		"soon after another":           {{0, signIn(t, "a"), false}, {1, nil, true}, {signInTime - 1, nil, true}, {signInTime, nil, false}},
		"several ids":                  {{0, signIn(t, "a"), false}, {1, nil, true}, {2, signIn(t, "b"), false}, {signInTime * 2, nil, true}, {signInTime * 3, nil, true}, {signInLong + 2, nil, false}},
		"not a request that is sealed": {{0, []byte("?"), false}, {signInTime, nil, true}, {signInTime * 2, nil, true}, {signInLong, nil, false}},
		"an empty one":                 {{0, []byte{}, false}, {signInTime, nil, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, begin := &newcomers{}, time.Unix(1_800_000_000, 0)
			for i, s := range steps {
				if s.body != nil {
					n.saw(s.body, begin.Add(s.at))
				} else if got := n.joins(begin.Add(s.at)); got != s.want {
					t.Errorf("step %d: %v, want %v", i, got, s.want)
				}
			}
		})
	}
}

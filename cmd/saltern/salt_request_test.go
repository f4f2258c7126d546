package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saltern-io/saltern/internal/client/clienttest"
	"github.com/saltern-io/saltern/internal/wire"
)

// The requests that stock wrote for a command line are ours as well, byte for byte but for the key, the
// claimed user and the level.
func TestSalt_requests(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/vectors/cli-requests.json")
	if err != nil {
		t.Fatalf("vectors are required: %v", err)
	}
	var file struct {
		Requests []struct {
			Salt, Command string
			Payload       []byte `json:"payload_b64"`
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	played := 0
	seen := map[string]int{} // how many requests of a command have been compared
	for _, v := range file.Requests {
		if !strings.HasPrefix(v.Command, "salt ") || strings.Contains(v.Command, " -T ") {
			continue
		}
		played++
		nth := 0
		if strings.Contains(v.Command, "-b 1") {
			nth = seen[v.Salt+v.Command]
			seen[v.Salt+v.Command]++
		}
		t.Run(v.Salt+" "+v.Command, func(t *testing.T) {
			m := clienttest.Start(t, clienttest.Script{Minions: []string{"fm"}})
			args := requestArgs(v.Command)
			if nth == 0 && !strings.Contains(v.Command, "-b 1") {
				args = append([]string{"--async"}, args...)
			}
			runSaltCommand(m, args)
			bodies := m.Bodies()
			if len(bodies) <= nth {
				t.Fatalf("%d requests, want more than %d", len(bodies), nth)
			}
			want := normalRequest(t, v.Payload)
			if diff := cmp.Diff(want, normalRequest(t, bodies[nth])); diff != "" {
				t.Errorf("(-want +got):\n%s\ngot %s", diff, base64.StdEncoding.EncodeToString(bodies[nth]))
			}
		})
	}
	if played == 0 {
		t.Fatal("no request was compared")
	}
}

// requestArgs splits a recorded command; braces and brackets hold words together there.
func requestArgs(command string) []string {
	var args []string
	depth := 0
	for _, word := range strings.Fields(command)[1:] {
		if depth > 0 {
			args[len(args)-1] += " " + word
		} else {
			args = append(args, word)
		}
		depth += strings.Count(word, "{") + strings.Count(word, "[") - strings.Count(word, "}") - strings.Count(word, "]")
	}
	return args
}

// normalRequest decodes an envelope and takes out what depends on the caller and the release.
func normalRequest(t *testing.T, body []byte) []byte {
	t.Helper()
	env, err := wire.DecodeMap(body, wire.Wire, wire.OuterLimits)
	if err != nil {
		t.Fatal(err)
	}
	env.Set("version", int64(3))
	load := env.Map("load")
	load.Set("key", "KEY")
	load.Set("user", "USER")
	out, err := wire.Encode(env, wire.Wire)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

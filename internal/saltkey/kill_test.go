package saltkey

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/cliargs"
)

// childArgs makes the test binary be salt-key.
const childArgs = "SALTERN_TEST_SALT_KEY"

func TestMain(m *testing.M) {
	if args := os.Getenv(childArgs); args != "" {
		os.Exit(cliargs.Execute(NewCommand(), strings.Split(args, "\n")))
	}
	os.Exit(m.Run())
}

// TestKilled kills a real process with SIGKILL in the middle of accepting and of rejecting: each key is in
// exactly one state afterwards and whole, and each that moved is in the record.
func TestKilled(t *testing.T) {
	keys, rounds := 500, 6
	if os.Getenv("SALTERN_LONG") != "" {
		keys, rounds = fleetSize, 20
	}
	h := fleet(t, keys)
	before := []byte(strings.TrimSpace(fixtures(t).Keys["delta"].PublicPEM))
	interrupted := 0
	from, to := "minions_pre", "minions"
	action := []string{"-A"}
	for range rounds {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childArgs+"="+strings.Join(append([]string{"-c", h.root, "-y"}, action...), "\n"))
		must(t, child.Start())
		// Somewhere between the first and the last key.
		until := 1 + rand.IntN(keys*3/4)
		deadline := time.Now().Add(60 * time.Second)
		for count(t, h, to) < until && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond) // between two looks
		}
		must(t, child.Process.Kill())
		_ = child.Wait() // killed
		left, moved := count(t, h, from), count(t, h, to)
		if left > 0 && moved > 0 {
			interrupted++
		}
		checkWhole(t, h, keys, before)
		recorded := recordedMoves(t, h)
		for _, id := range ids(t, h, to) {
			if !recorded[id] {
				t.Fatalf("%s is in %s and not in the record", id, to)
			}
		}
		// The rest, and then back again.
		if left > 0 {
			quietly(t, h, append([]string{"-y"}, action...)...)
		}
		if n := count(t, h, to); n != keys {
			t.Fatalf("%d of %d keys in %s", n, keys, to)
		}
		if to == "minions" {
			from, to, action = "minions", "minions_rejected", []string{"-R", "--include-accepted"}
		} else {
			from, to, action = "minions_rejected", "minions", []string{"-A", "--include-rejected"}
		}
		must(t, os.Remove(h.path("log/audit")))
	}
	t.Logf("%d of %d kills met a run in the middle", interrupted, rounds)
}

func ids(t *testing.T, h *host, state string) []string {
	t.Helper()
	d, err := os.Open(h.path("m/pki", state))
	must(t, err)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	must(t, err)
	return names
}

func count(t *testing.T, h *host, state string) int { return len(ids(t, h, state)) }

// checkWhole wants every key in exactly one state, with its text.
func checkWhole(t *testing.T, h *host, keys int, pem []byte) {
	t.Helper()
	seen := map[string]string{}
	for _, state := range []string{"minions", "minions_pre", "minions_rejected", "minions_denied"} {
		for _, id := range ids(t, h, state) {
			if other, twice := seen[id]; twice {
				t.Fatalf("%s is in %s and %s", id, other, state)
			}
			seen[id] = state
			text, err := os.ReadFile(filepath.Join(h.path("m/pki", state), id))
			if err != nil || !bytes.Equal(text, pem) {
				t.Fatalf("%s in %s: %q, %v", id, state, text, err)
			}
		}
	}
	if len(seen) != keys {
		t.Fatalf("%d of %d keys", len(seen), keys)
	}
}

// recordedMoves are the ids of the audit log; the last line may be cut.
func recordedMoves(t *testing.T, h *host) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(h.path("log/audit"))
	must(t, err)
	found := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if _, rest, ok := strings.Cut(line, `"id":"`); ok && strings.HasSuffix(line, "}\n") {
			id, _, _ := strings.Cut(rest, `"`)
			found[id] = true
		}
	}
	return found
}

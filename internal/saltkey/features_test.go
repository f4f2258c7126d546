package saltkey

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
)

func TestStrictExit(t *testing.T) {
	for _, tt := range []struct {
		args, stdin string
		code        int
	}{
		{"-y -a delta", "", 0},
		{"-y -a nosuch", "", 2},
		{"-y -a Bravo", "", 2},
		{"-a delta", "n\n", 3},
		{"-a delta", "", 1}, // end of input
		{"-y -a junk", "", 1},
		{"-y -A", "", 1}, // junk is among them
		{"-y -a alpha --include-denied", "", 1},
		{"-y -d nosuch", "", 2},
		{"-y -D more", "", 1},
		{"-d delta", "\n", 3},
		{"-y -r delta", "", 0},
		{"-L", "", 0},
		{"-l un --older-than 1h", "", 2},
		{"-p nosuch", "", 2},
		{"-f nosuch", "", 2},
		{"-f delta", "", 0},
		{"--gen-signature", "", 1},
		{"-l bogus", "", 64},
	} {
		h := newHost(t, t.TempDir(), hostSeed{}, nil)
		args := append([]string{"-c", h.root, "--strict-exit"}, strings.Fields(tt.args)...)
		if code, stdout, stderr := h.run(tt.stdin, args...); code != tt.code {
			t.Errorf("%s: %d, want %d\n%s%s", tt.args, code, tt.code, stdout, stderr)
		}
	}
}

func TestFilters(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	old := time.Now().Add(-48 * time.Hour)
	for _, path := range []string{"minions/alpha", "minions_pre/delta"} {
		must(t, os.Chtimes(h.path("m/pki", path), old, old))
	}
	for _, tt := range []struct{ args, want string }{
		{"-L --older-than 24h", "Accepted Keys:\nalpha\nDenied Keys:\nUnaccepted Keys:\ndelta\nRejected Keys:\n"},
		{"-l un --newer-than 24h", "Unaccepted Keys:\njunk\nweb2.example.com\n"},
		{"-L --state rej,acc", "Accepted Keys:\nBravo\nalpha\nweb1.example.com\nDenied Keys:\nUnaccepted Keys:\nRejected Keys:\necho\n"},
		{"-L --state all --older-than 72h", "Accepted Keys:\nDenied Keys:\nUnaccepted Keys:\nRejected Keys:\n"},
		{"-y -a * --older-than 24h", "The following keys are going to be accepted:\nUnaccepted Keys:\ndelta\nKey for minion delta accepted.\n"},
		{"-y -d alpha --state den", "The following keys are going to be deleted:\nDenied Keys:\nalpha\nKey for minion alpha deleted.\n"},
	} {
		if _, got, stderr := h.run("", append([]string{"-c", h.root}, strings.Fields(tt.args)...)...); got != tt.want {
			t.Errorf("%s: %q %q, want %q", tt.args, got, stderr, tt.want)
		}
	}
	// Local keys have no state.
	if _, got, _ := h.run("", "-c", h.root, "-F", "--state", "rej"); !strings.HasPrefix(got, "Rejected Keys:\necho:  e8:a6") {
		t.Errorf("%q", got)
	}
}

func jsonKeyLines(t *testing.T, text string) []keyLine {
	t.Helper()
	var lines []keyLine
	for line := range strings.Lines(text) {
		var l keyLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, l)
	}
	return lines
}

func TestJSONLines(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	run := func(stdin string, args ...string) ([]keyLine, string) {
		_, stdout, stderr := h.run(stdin, append([]string{"-c", h.root, "--out", "jsonl"}, args...)...)
		return jsonKeyLines(t, stdout), stderr
	}
	if got, _ := run("", "-L"); len(got) != 9 || got[0] != (keyLine{State: "pending", ID: "delta"}) {
		t.Errorf("list: %+v", got)
	}
	if got, _ := run("", "-f", "echo"); len(got) != 1 || got[0].State != "rejected" || !strings.HasPrefix(got[0].Fingerprint, "e8:a6:") {
		t.Errorf("finger: %+v", got)
	}
	if got, _ := run("", "-p", "echo"); len(got) != 1 || !strings.HasPrefix(got[0].Pub, "-----BEGIN PUBLIC KEY-----\n") {
		t.Errorf("print: %+v", got)
	}
	got, stderr := run("y\n", "-a", "delta")
	if len(got) != 2 || got[0].ID != "delta" || got[1].Action != "accepted" || got[1].Result == nil || !*got[1].Result || got[1].From != "pending" ||
		!strings.Contains(stderr, "Proceed?") {
		t.Errorf("accept: %+v %q", got, stderr)
	}
	got, _ = run("", "-y", "-a", "junk")
	if len(got) != 1 || got[0].Result == nil || *got[0].Result || got[0].Error != "Invalid RSA public key: junk" {
		t.Errorf("refused: %+v", got)
	}
	if got, _ = run("", "-y", "-d", "delta"); len(got) != 1 || got[0].Action != "deleted" || got[0].From != "accepted" {
		t.Errorf("delete: %+v", got)
	}
	if got, _ := run("", "-y", "-a", "nosuch"); len(got) != 0 {
		t.Errorf("nothing: %+v", got)
	}
}

func readAudit(t *testing.T, path string) []auditRecord {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	text, err := os.ReadFile(path)
	must(t, err)
	var records []auditRecord
	for line := range strings.Lines(string(text)) {
		var r auditRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		records = append(records, r)
	}
	return records
}

func TestAuditLog(t *testing.T) {
	t.Setenv("SUDO_USER", "alice")
	t.Setenv("SUDO_UID", "1000")
	h := newHost(t, t.TempDir(), hostSeed{signKey: true}, nil)
	h.write(t, "log/audit", "{}\n", 0o644) // what is there stays, and is closed to others
	h.run("", "-c", h.root, "-y", "-a", "delta", "--compat", "3008")
	h.run("", "-c", h.root, "-y", "-r", "web2*")
	h.run("", "-c", h.root, "-y", "-d", "echo")
	h.run("", "-c", h.root, "--gen-signature")
	h.run("n\n", "-c", h.root, "-a", "junk")
	got := readAudit(t, h.path("log/audit"))
	want := []auditRecord{
		{Action: "accept", ID: "delta", From: "pending", To: "accepted"},
		{Action: "reject", ID: "web2.example.com", From: "pending", To: "rejected"},
		{Action: "delete", ID: "echo", From: "rejected"},
		{Action: "sign", ID: "golden_pubkey_signature"},
	}
	if len(got) != len(want)+1 {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		r := got[i+1]
		if r.Action != w.Action || r.ID != w.ID || r.From != w.From || r.To != w.To || r.UID != os.Getuid() || r.User == "" ||
			r.SudoUser != "alice" || r.SudoUID != "1000" || r.PID != os.Getpid() || len(r.Fingerprint) != 95 || r.Error != "" {
			t.Errorf("%+v, want %+v", r, w)
		}
	}
	if !strings.HasPrefix(got[1].Fingerprint, "bc:65:3d:") {
		t.Errorf("fingerprint %s", got[1].Fingerprint)
	}
}

// TestAuditLogThatCannotBeWritten: nothing changes without a record that was asked for.
func TestAuditLogThatCannotBeWritten(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	must(t, os.MkdirAll(h.path("dir"), 0o755))
	must(t, os.Symlink(h.path("elsewhere"), h.path("link")))
	for _, path := range []string{"dir", "link", "master/below"} {
		code, _, stderr := h.run("", "-c", h.root, "-y", "-a", "delta", "--strict-exit", "--audit-log", h.path(path))
		if code != 1 || !strings.Contains(stderr, "Error: audit log: ") || len(h.events) > 0 {
			t.Errorf("%s: %d %q %q", path, code, stderr, h.events)
		}
	}
	if _, err := os.Stat(h.path("m/pki/minions_pre/delta")); err != nil {
		t.Error(err)
	}
	if code, _, stderr := h.run("", "-c", h.root, "-y", "-a", "delta", "--strict-exit", "--audit-log", "none"); code != 0 {
		t.Errorf("%d %q", code, stderr)
	}
	if _, err := os.Stat(h.path("log/audit")); err == nil {
		t.Error("a record was written although none was wanted")
	}
}

const deltaFinger = "bc:65:3d:25:bd:3b:fd:e0:a5:64:72:df:fd:57:8b:7f:a7:44:46:f6:69:54:d5:8a:4a:ad:17:62:f4:71:75:86"

func TestAcceptFrom(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	h.write(t, "list", "# from the inventory\n\ndelta "+strings.ToUpper(deltaFinger)+"\nweb2.example.com "+deltaFinger+"\nnosuch "+deltaFinger+"\nBravo "+deltaFinger+"\n", 0o600)
	code, stdout, stderr := h.run("", "-c", h.root, "--strict-exit", "-y", "--accept-from", h.path("list"))
	if code != 1 || stdout != "The following keys are going to be accepted:\nUnaccepted Keys:\ndelta\nKey for minion delta accepted.\n" || strings.Join(h.events, " ") != "accept delta" {
		t.Errorf("%d %q %q", code, stdout, h.events)
	}
	for _, want := range []string{
		"line 4: the pending key of web2.example.com has another fingerprint: ea:35:", "line 5: nosuch has no pending key", "line 6: Bravo has no pending key",
	} {
		if !strings.Contains(stderr, "[ERROR   ] "+want) {
			t.Errorf("%q lacks %q", stderr, want)
		}
	}
	// Nothing left to accept; with the SHA-512 fingerprint from stdin; and without anybody to ask.
	if code, stdout, _ := h.run("", "-c", h.root, "--strict-exit", "-y", "--accept-from", h.path("list")); code != 1 || !strings.HasPrefix(stdout, "No pending key matches") {
		t.Errorf("again: %d %q", code, stdout)
	}
	fingers := fixtureFingers(t)
	if code, _, stderr := h.run("web2.example.com\t"+fingers["sha512"]+"\n", "-c", h.root, "--strict-exit", "-y", "--accept-from", "-"); code != 0 || len(h.events) != 1 {
		t.Errorf("stdin: %d %q", code, stderr)
	}
	if _, _, stderr := h.run("x", "-c", h.root, "--accept-from", "-"); !strings.Contains(stderr, "give --yes") {
		t.Errorf("%q", stderr)
	}
}

func fixtureFingers(t *testing.T) map[string]string {
	var fix struct {
		Keys map[string]struct {
			Body map[string]string `json:"finger_body"`
		}
	}
	readVector(t, "cli-key-fixtures.json", &fix)
	return fix.Keys["web2.example.com"].Body
}

// TestParseFingerprints: a file that may be damaged accepts nothing.
func TestParseFingerprints(t *testing.T) {
	other := "00" + deltaFinger[2:]
	for _, tt := range []struct{ text, want string }{
		{"delta", "line 1: want"},
		{"delta zz", "is no fingerprint"},
		{"delta aa:bb", "is no fingerprint"},
		{"delta " + strings.Repeat("ab", 20), "is no fingerprint"}, // SHA-1
		{"../x " + deltaFinger, "line 1: invalid minion id"},
		{"a " + deltaFinger + "\na " + other, "line 2: a has another fingerprint in line 1"},
		{strings.Repeat("x", 2000), "read fingerprints"},
	} {
		if _, _, err := parseFingerprints(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, want %q", tt.text, err, tt.want)
		}
	}
	list, order, err := parseFingerprints(strings.NewReader("b c " + strings.ReplaceAll(deltaFinger, ":", "") + "\r\na " + deltaFinger + "\na " + deltaFinger))
	if err != nil || strings.Join(order, "|") != "b c|a" || list["b c"].digest != deltaFinger || list["b c"].hash != "sha256" {
		t.Errorf("%v %v %v", list, order, err)
	}
}

func FuzzParseFingerprints(f *testing.F) {
	f.Add("delta " + deltaFinger + "\n# x\n")
	f.Add("a b\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, order, err := parseFingerprints(strings.NewReader(text))
		if err == nil && len(list) != len(order) {
			t.Fatalf("%d ids, %d in order", len(list), len(order))
		}
	})
}

// lockedBuffer is read while a run writes it.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestWatch(t *testing.T) {
	h := newHost(t, t.TempDir(), hostSeed{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var out lockedBuffer
	cmd := newCommand(func(*config.Master) Events { return h })
	cmd.SetContext(ctx)
	cmd.SetOut(&out)
	cmd.SetErr(&lockedBuffer{})
	ended := make(chan int, 1)
	go func() { ended <- cliargs.Execute(cmd, []string{"-c", h.root, "--watch", "--out", "jsonl"}) }()
	defer func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("exit %d", code)
		}
	}()
	// A new id each time until the first is seen: only then is the store being watched.
	until := func(what string, provoke func(n int), seen func([]keyLine) bool) {
		t.Helper()
		deadline := time.Now().Add(60 * time.Second)
		for n := 0; !seen(jsonKeyLines(t, out.String())); n++ {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s", what, out.String())
			}
			provoke(n)
			time.Sleep(20 * time.Millisecond) // between two looks at the output
		}
	}
	has := func(change, id, state, from string) func([]keyLine) bool {
		return func(lines []keyLine) bool {
			for _, l := range lines {
				if l.Change == change && (id == "" || l.ID == id) && l.State == state && l.From == from && l.Time != "" {
					return true
				}
			}
			return false
		}
	}
	pki := func(path string) string { return filepath.Join(h.root, "m/pki", path) }
	until("new", func(n int) { h.write(t, "m/pki/minions_pre/new"+strings.Repeat("x", n), "k", 0o644) }, has("new", "", "pending", ""))
	once := func(act func()) func(int) {
		return func(n int) {
			if n == 0 {
				act()
			}
		}
	}
	until("moved", once(func() { must(t, os.Rename(pki("minions_pre/delta"), pki("minions/delta"))) }), has("moved", "delta", "accepted", "pending"))
	until("replaced", once(func() {
		h.write(t, "m/pki/other", "another text", 0o644)
		must(t, os.Rename(pki("other"), pki("minions_denied/foxtrot")))
	}), has("replaced", "foxtrot", "denied", ""))
	until("gone", once(func() { must(t, os.Remove(pki("minions_rejected/echo"))) }), has("gone", "echo", "", "rejected"))
}

func TestTellChanges_people(t *testing.T) {
	for want, l := range map[string]keyLine{
		"a: pending":                         {Change: "new", ID: "a", State: "pending"},
		"a: accepted, was pending":           {Change: "moved", ID: "a", State: "accepted", From: "pending"},
		"a: gone, was denied":                {Change: "gone", ID: "a", From: "denied"},
		"a: denied, another key than before": {Change: "replaced", ID: "a", State: "denied"},
	} {
		if got := l.sentence(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

package saltkey

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/client/clienttest"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

const (
	wheelPassword = "pass-word-of-ops"
	wheelToken    = "3c1f6a47"
)

// wheelMaster is a key store behind the wheel functions of a stock master, one user and one password.
type wheelMaster struct {
	mu   sync.Mutex
	keys map[string][]string // state directory → ids
	deaf map[string]bool     // ids that the master does not move
	funs []string            // what was called
}

func newWheelMaster() *wheelMaster {
	return &wheelMaster{keys: map[string][]string{
		"minions": {"acc1", "acc2", "both"}, "minions_pre": {"junk", "pre1", "pre2"}, "minions_rejected": {"rej1"}, "minions_denied": {"both", "den1"},
	}, deaf: map[string]bool{"junk": true}}
}

// wheelOrder is the order of states in the replies of a 3006 master.
var wheelOrder = []string{"minions", "minions_pre", "minions_rejected", "minions_denied"}

func (m *wheelMaster) answer(load *wire.Map) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	if load.Str("token") == wheelToken {
		return m.reply(load)
	}
	if load.Str("eauth") != "file" || load.Str("username") != "ops" || load.Str("password") != wheelPassword {
		return wire.NewMap("error", wire.NewMap("name", "EauthAuthenticationError",
			"message", `Authentication failure of type "eauth" occurred for user `+load.Str("username")+"."))
	}
	if load.Str("cmd") == wire.CmdMkToken {
		return wire.NewMap("start", 1.5, "expire", 2.5, "name", "ops", "eauth", "file", "token", wheelToken)
	}
	return m.reply(load)
}

func (m *wheelMaster) reply(load *wire.Map) any {
	fun, args := load.Str("fun"), load.List("arg")
	m.funs = append(m.funs, fun)
	ret, ok := m.run(fun, args)
	data := wire.NewMap("fun", "wheel."+fun, "jid", "20261120134913220588", "tag", "salt/wheel/20261120134913220588", "user", "ops",
		"_stamp", "2026-11-20T13:49:13.860308", "return", ret, "success", ok)
	return wire.NewMap("tag", data.Str("tag"), "data", data)
}

func (m *wheelMaster) run(fun string, args []any) (any, bool) {
	word, _ := args[0].(string)
	switch fun {
	case "key.list":
		switch {
		case strings.HasPrefix(word, "un"):
			return wire.NewMap("minions_pre", list(m.keys["minions_pre"])), true
		case strings.HasPrefix(word, "rej"):
			return wire.NewMap("minions_rejected", list(m.keys["minions_rejected"])), true
		}
		all := m.matching("*", true)
		all.Set("local", []any{"master.pem", "master.pub"})
		return all, true
	case "key.name_match":
		return m.matching(word, false), true
	case "key.print", "key.finger":
		out := wire.NewMap()
		if fun == "key.finger" && word == "*" {
			out.Set("local", wire.NewMap("master.pub", "ab:cd"))
		}
		for state, ids := range m.matching(word, false).All() {
			texts := wire.NewMap()
			for _, id := range ids.([]any) {
				texts.Set(id, map[string]string{"key.print": "PEM\n", "key.finger": "12:34"}[fun])
			}
			out.Set(state, texts)
		}
		return out, true
	case "key.accept_dict":
		return m.move(args, "minions", map[string]bool{"minions_pre": true, "minions_rejected": args[1] == true, "minions_denied": args[2] == true}), true
	case "key.reject_dict":
		return m.move(args, "minions_rejected", map[string]bool{"minions_pre": true, "minions": args[1] == true, "minions_denied": args[2] == true}), true
	case "key.delete_dict":
		return m.move(args, "", map[string]bool{"minions_pre": true, "minions_rejected": true, "minions": true, "minions_denied": true}), true
	case "key.gen_signature":
		return true, true
	}
	return fmt.Sprintf("Exception occurred in wheel %s: 'wheel.%s' is not available", fun, fun), false
}

func (m *wheelMaster) matching(pattern string, empty bool) *wire.Map {
	out := wire.NewMap()
	for _, state := range wheelOrder {
		var ids []string
		for _, id := range m.keys[state] {
			if ok, _ := path.Match(pattern, id); ok {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 || empty {
			out.Set(state, list(ids))
		}
	}
	return out
}

// move moves what may move and says where the ids asked for are now.
func (m *wheelMaster) move(args []any, to string, from map[string]bool) *wire.Map {
	asked := map[string]bool{}
	for state, ids := range args[0].(*wire.Map).All() {
		for _, v := range ids.([]any) {
			id, state := v.(string), state.(string)
			asked[id] = true
			if !from[state] || m.deaf[id] {
				continue
			}
			m.keys[state] = slices.DeleteFunc(m.keys[state], func(s string) bool { return s == id })
			if to != "" && !slices.Contains(m.keys[to], id) {
				m.keys[to] = append(m.keys[to], id)
			}
		}
	}
	out := wire.NewMap()
	for _, state := range wheelOrder {
		var ids []string
		for _, id := range m.keys[state] {
			if asked[id] {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			out.Set(state, list(ids))
		}
	}
	return out
}

func list(ids []string) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}

// runWheel runs salt-key against a stand-in master.
func runWheel(t *testing.T, configDir, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := newCommand(func(*config.Master) Events { return silent{} })
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	code = cliargs.Execute(cmd, append([]string{"-c", configDir}, args...))
	return code, out.String(), errs.String()
}

func startWheel(t *testing.T, w *wheelMaster) *clienttest.Master {
	t.Helper()
	return clienttest.Start(t, clienttest.Script{Wheel: w.answer, Config: "external_auth: {file: {ops: ['@wheel']}}\ntoken_file: /nonexistent\nkey_logfile: " + t.TempDir() + "/key"})
}

func TestWheel(t *testing.T) {
	const (
		user = "--username ops --password " + wheelPassword
		no   = "Authentication failure of type \"eauth\" occurred for user "
	)
	for name, tt := range map[string]struct {
		args, stdin    string
		code           int
		stdout, stderr string
		after          map[string]string // ids of states that changed
		calls          string
	}{
		"list all": {
			args:   user,
			stdout: "Accepted Keys:\nacc1\nacc2\nboth\nDenied Keys:\nboth\nden1\nUnaccepted Keys:\njunk\npre1\npre2\nRejected Keys:\nrej1\n", calls: "key.list",
		},
		"list a state": {args: user + " -l un", stdout: "Unaccepted Keys:\njunk\npre1\npre2\n", calls: "key.list"},
		"for programs": {args: user + " -l rej --out jsonl", stdout: `{"state":"rejected","id":"rej1"}` + "\n", calls: "key.list"},
		"print":        {args: user + " -p acc1", stdout: "Accepted Keys:\nacc1:  PEM\n", calls: "key.print"},
		"print nobody": {args: user + " -p nobody --strict-exit", code: 2, calls: "key.print"},
		"finger all":   {args: user + " -F --out json --out-indent -1", stdout: `{"local": {"master.pub": "ab:cd"}, "minions": {"acc1": "12:34", "acc2": "12:34", "both": "12:34"}, "minions_pre": {"junk": "12:34", "pre1": "12:34", "pre2": "12:34"}, "minions_rejected": {"rej1": "12:34"}, "minions_denied": {"both": "12:34", "den1": "12:34"}}` + "\n", calls: "key.finger"},
		"accept": {
			args: user + " -y -a pre1", stdout: "The following keys are going to be accepted:\nUnaccepted Keys:\npre1\nKey for minion pre1 accepted.\n",
			after: map[string]string{"minions": "acc1 acc2 both pre1", "minions_pre": "junk pre2"}, calls: "key.name_match key.accept_dict",
		},
		"accept what the master refuses": {
			args: user + " -y -a junk --strict-exit", code: 1, stdout: "The following keys are going to be accepted:\nUnaccepted Keys:\njunk\n",
			stderr: "[ERROR   ] Key of junk was not accepted by the master\n", calls: "key.name_match key.accept_dict",
		},
		"accept rejected": {
			args: user + " -y -a rej1 --include-all", stdout: "The following keys are going to be accepted:\nRejected Keys:\nrej1\nKey for minion rej1 accepted.\n",
			after: map[string]string{"minions": "acc1 acc2 both rej1", "minions_rejected": ""}, calls: "key.name_match key.accept_dict",
		},
		"accept denied beside accepted": {
			args: user + " -y -a both --include-denied", stdout: "The following keys are going to be accepted:\nDenied Keys:\nboth\n",
			stderr: "[ERROR   ] Key of both is accepted already: not replaced by the denied one without --force\n", calls: "key.name_match",
		},
		"accept denied beside accepted by force": {
			args: user + " -y -a both --include-denied --force", stdout: "The following keys are going to be accepted:\nDenied Keys:\nboth\nKey for minion both accepted.\n",
			after: map[string]string{"minions_denied": "den1"}, calls: "key.name_match key.accept_dict",
		},
		"accept nobody": {
			args: user + " -a nobody --include-denied", stdout: "The key glob 'nobody' does not match any unaccepted or denied keys.\n", calls: "key.name_match",
		},
		"declined": {
			args: user + " -a pre1 --strict-exit", stdin: "n\n", code: 3,
			stdout: "The following keys are going to be accepted:\nUnaccepted Keys:\npre1\nProceed? [n/Y] ", calls: "key.name_match",
		},
		"reject accepted": {
			args: user + " -y -r acc1 --include-accepted", stdout: "The following keys are going to be rejected:\nAccepted Keys:\nacc1\nKey for minion acc1 rejected.\n",
			after: map[string]string{"minions": "acc2 both", "minions_rejected": "rej1 acc1"}, calls: "key.name_match key.reject_dict",
		},
		"delete several": {
			args: user + " -d acc* --out json --out-indent -1 --out-file /dev/null", stdin: "y\n",
			stdout: "The following keys are going to be deleted:\nProceed? [N/y] Key for minion acc1 deleted.\nKey for minion acc2 deleted.\n",
			after:  map[string]string{"minions": "both"}, calls: "key.name_match key.delete_dict",
		},
		"delete for programs": {
			args: user + " -y -d both --out jsonl --compat 3006", stdout: `{"action":"deleted","result":true,"from":"accepted","id":"both"}` + "\n" + `{"action":"deleted","result":true,"from":"denied","id":"both"}` + "\n",
			after: map[string]string{"minions": "acc1 acc2", "minions_denied": "den1"}, calls: "key.name_match key.delete_dict",
		},
		"credentials asked for": {
			args: "-d acc1", stdin: "ops\n" + wheelPassword + "\ny\n", stderr: "username: password: ",
			stdout: "The following keys are going to be deleted:\nAccepted Keys:\nacc1\nProceed? [N/y] Key for minion acc1 deleted.\n",
			after:  map[string]string{"minions": "acc2 both"}, calls: "key.name_match key.delete_dict",
		},
		"no input":           {args: "-L", stderr: "username: Error: EOF when reading a line\n"},
		"wrong password":     {args: "--username ops --password x -L", stdout: no + "ops.\n"},
		"refused, strict":    {args: "--username bob --password x -a pre1 --strict-exit", code: 1, stdout: no + "bob.\n"},
		"refused, quietly":   {args: "--username bob --password x -q"},
		"refused, a program": {args: "--username bob --password x --out jsonl", stderr: "[ERROR   ] " + no + "bob.\n"},
		"signature":          {args: user + " --gen-signature", stdout: "return:\n    True\n", calls: "key.gen_signature"},
		"a function that fails": {
			args: user + " --gen-keys k --strict-exit", code: 1,
			stdout: "return:\n    Exception occurred in wheel key.gen_keys: 'wheel.key.gen_keys' is not available\n", calls: "key.gen_keys",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWheelMaster()
			want := newWheelMaster().keys
			for state, ids := range tt.after {
				want[state] = strings.Fields(ids)
			}
			m := startWheel(t, w)
			code, stdout, stderr := runWheel(t, m.ConfigDir, tt.stdin, append([]string{"--eauth", "file"}, strings.Fields(tt.args)...)...)
			if code != tt.code || stdout != tt.stdout || stderr != tt.stderr {
				t.Errorf("status %d, want %d; stdout:\n%s\nstderr:\n%s\n%s", code, tt.code, cmp.Diff(tt.stdout, stdout), cmp.Diff(tt.stderr, stderr), stdout)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if !maps.EqualFunc(w.keys, want, slices.Equal) {
				t.Errorf("keys %v, want %v", w.keys, want)
			}
			if calls := strings.Join(w.funs, " "); calls != tt.calls {
				t.Errorf("called %q, want %q", calls, tt.calls)
			}
		})
	}
}

// TestWheel_secret: the password is in no output and no log, whatever the level.
func TestWheel_secret(t *testing.T) {
	w := newWheelMaster()
	m := startWheel(t, w)
	file := t.TempDir() + "/log"
	_, stdout, stderr := runWheel(t, m.ConfigDir, "", "--eauth", "file", "--username", "ops", "--password", wheelPassword, "-y", "-a", "pre1",
		"--log-level", "trace", "--log-file", file, "--log-file-level", "trace")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stdout+stderr+string(text), wheelPassword) || !strings.Contains(stdout, "Key for minion pre1 accepted.") {
		t.Errorf("stdout %s, stderr %s, log %s", stdout, stderr, text)
	}
}

// TestWheel_token: a token is made once, kept for its owner, and used while it is young and nobody is named.
func TestWheel_token(t *testing.T) {
	file := t.TempDir() + "/token"
	m := clienttest.Start(t, clienttest.Script{Wheel: newWheelMaster().answer, Config: "token_file: " + file + "\nkey_logfile: " + t.TempDir() + "/key"})
	run := func(args ...string) string {
		t.Helper()
		_, stdout, stderr := runWheel(t, m.ConfigDir, "", append([]string{"-l", "rej", "--eauth", "file"}, args...)...)
		if strings.Contains(stdout+stderr, wheelToken) {
			t.Errorf("the token is shown: %q %q", stdout, stderr)
		}
		return stdout + stderr
	}
	const keys, asked = "Rejected Keys:\nrej1\n", "username: Error: EOF when reading a line\n"
	const wrong = "Authentication failure of type \"eauth\" occurred for user ops.\n"
	must(t, os.WriteFile(file, nil, 0o666))
	for _, step := range []struct {
		name string
		do   func() string
		want string
	}{
		{"empty file", func() string { return run() }, asked},
		{"refused", func() string { return run("-T", "--username", "ops", "--password", "x") }, wrong},
		{"still none", func() string { return run() }, asked},
		{"made", func() string { return run("-T", "--username", "ops", "--password", wheelPassword) }, keys},
		{"used", func() string { return run() }, keys},
		{"somebody is named", func() string { return run("--username", "ops", "--password", "x") }, wrong},
		{"too old", func() string {
			must(t, os.Chtimes(file, time.Time{}, time.Now().Add(-12*time.Hour)))
			return run()
		}, asked},
	} {
		if got := step.do(); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
	text, err := os.ReadFile(file)
	info, statErr := os.Stat(file)
	if err != nil || statErr != nil || string(text) != wheelToken || info.Mode().Perm() != 0o600 {
		t.Errorf("%q %v %v %v", text, info.Mode(), err, statErr)
	}
	must(t, os.Remove(file))
	must(t, os.Mkdir(file, 0o700))
	if got := run("-T", "--username", "ops", "--password", wheelPassword); !strings.HasPrefix(got, keys+"[ERROR   ] Token is not kept: ") {
		t.Errorf("unwritable: %q", got)
	}
}

// TestWheel_answers are masters that are away, or do not answer as a wheel does.
func TestWheel_answers(t *testing.T) {
	flags := []string{"--eauth", "file", "--username", "ops", "--password", "x", "--strict-exit"}
	t.Run("away", func(t *testing.T) {
		dir := t.TempDir()
		// Nobody listens on port 1 of loopback.
		must(t, os.WriteFile(dir+"/master", []byte("interface: 127.0.0.1\nret_port: 1\nroot_dir: "+dir+"\nkey_logfile: "+dir+"/key\n"), 0o600))
		code, stdout, stderr := runWheel(t, dir, "", flags...)
		if code != 1 || stdout != wheelDown+"\n" {
			t.Errorf("%d %q %q", code, stdout, stderr)
		}
	})
	for name, tt := range map[string]struct {
		answer any
		stdout string
		stderr string
	}{
		"text":         {"bad load", "bad load\n", ""},
		"no map":       {int64(3), "", "Error: answer to wheel: "},
		"no data":      {wire.NewMap("tag", "x"), "", "Error: answer to wheel: no data in the reply\n"},
		"no keys":      {wire.NewMap("data", wire.NewMap("return", "x")), "", "Error: key.name_match: the master's answer is no map of keys\n"},
		"escape in id": {wire.NewMap("data", wire.NewMap("return", wire.NewMap("minions_pre", []any{"a\x1b[2J"}))), "", "Error: the master names a key that cannot be: "},
		"id no text":   {wire.NewMap("data", wire.NewMap("return", wire.NewMap("minions_pre", []any{int64(1)}))), "", "Error: the master names a key "},
	} {
		t.Run(name, func(t *testing.T) {
			m := clienttest.Start(t, clienttest.Script{Wheel: func(*wire.Map) any { return tt.answer }, Config: "key_logfile: " + t.TempDir() + "/key"})
			code, stdout, stderr := runWheel(t, m.ConfigDir, "", append([]string{"-y", "-a", "*"}, flags...)...)
			if code != 1 || stdout != tt.stdout || !strings.HasPrefix(stderr, tt.stderr) {
				t.Errorf("%d %q %q", code, stdout, stderr)
			}
		})
	}
}

// FuzzKeysOf: whatever a master names, what is shown of it are ids.
func FuzzKeysOf(f *testing.F) {
	seed, err := wire.Encode(wire.NewMap("minions", []any{"a"}, "minions_pre", []any{"b", int64(1)}), wire.Wire)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		tree, err := wire.DecodeMap(raw, wire.Wire, wire.OuterLimits)
		if err != nil {
			return
		}
		keys, err := keysOf(tree, oldOrder, oldOrder)
		for _, k := range keys {
			if pki.CheckID(k.id) != nil {
				t.Errorf("%q, %v", k.id, err)
			}
		}
	})
}

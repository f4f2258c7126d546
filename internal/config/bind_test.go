package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTypes is config-and-daemons §2.6: what is only a warning, and what the value becomes.
func TestTypes(t *testing.T) {
	for _, tc := range []struct {
		name, conf string
		get        func(*Master) any
		want       any
		note       string // "" = none may mention the option
	}{
		{"string port", "publish_port: '4510'", func(m *Master) any { return m.PublishPort }, 4510, ""},
		{"float hours", "keep_jobs: 1.5", func(m *Master) any { return m.KeepJobs }, 90 * time.Minute, "Config option 'keep_jobs' with value 1.5 has an invalid type of float, a int is required for this option"},
		{"hours", "keep_jobs: 48", func(m *Master) any { return m.KeepJobs }, 48 * time.Hour, ""},
		{"hours, default", "keep_jobs: 24", func(m *Master) any { return m.KeepJobs }, 24 * time.Hour, ""},
		{"seconds win", "keep_jobs: 48\nkeep_jobs_seconds: 60", func(m *Master) any { return m.KeepJobs }, time.Minute, ""},
		{"for ever", "keep_jobs_seconds: 0", func(m *Master) any { return m.KeepJobs }, time.Duration(0), ""},
		{"auto_accept text", "auto_accept: 'True'", func(m *Master) any { return m.AutoAccept }, false, ""},
		{"auto_accept one", "auto_accept: 1", func(m *Master) any { return m.AutoAccept }, false, ""},
		{"auto_accept yes", "auto_accept: yes", func(m *Master) any { return m.AutoAccept }, true, ""},
		{"open_mode text", "open_mode: 'yes'", func(m *Master) any { return m.OpenMode }, false, ""},
		{"text false is true", "rotate_aes_key: 'false'", func(m *Master) any { return m.RotateAESKey }, true, ""},
		{"bool null is false", "sign_pub_messages: ~", func(m *Master) any { return m.SignPubMessages }, false, ""},
		{"null number is the default", "timeout:", func(m *Master) any { return m.Timeout }, 5 * time.Second, ""},
		{"hash_type", "hash_type: SHA512", func(m *Master) any { return m.HashType }, "sha512", ""},
		{"hash_type unsafe", "hash_type: md5", func(m *Master) any { return m.HashType }, "md5", "is not safe"},
		{"file_roots list", "file_roots: [/a]", func(m *Master) any { return m.FileRoots }, []Environment{{"base", []string{"/srv/salt"}}}, "Config option 'file_roots'"},
		{"file_roots string dir", "file_roots: {dev: /a}", func(m *Master) any { return m.FileRoots }, []Environment{{"dev", []string{"/a"}}}, ""},
		{"nodegroups null", "nodegroups:", func(m *Master) any { return len(m.Nodegroups) }, 0, ""},
		{"nodegroups list", "nodegroups: [{b: 'x*'}, {a: 'L@y'}]", func(m *Master) any { return m.Nodegroups[0].Name + m.Nodegroups[1].Expr.String() }, "bL@y", ""},
		{"string for a list", "interface: [a]", func(m *Master) any { return m.Interface }, "0.0.0.0", "Config option 'interface'"},
		{"worker threads", "worker_threads: '5'", func(m *Master) any { return m.WorkerThreads }, 5, "Option 'worker_threads' has no effect here"},
		{"write buffer", "ipc_write_buffer: dynamic", func(m *Master) any { return m.IPCWriteBuffer }, int64(dynamicWriteBuffer), ""},
		{"minutes", "autosign_timeout: 1", func(m *Master) any { return m.AutosignTimeout }, time.Minute, ""},
		{"huge seconds", "publish_session: 99999999999999999999", func(m *Master) any { return m.PublishSession }, time.Duration(1<<63 - 1), ""},
		{"float seconds", "loop_interval: 0.5", func(m *Master) any { return m.LoopInterval }, 500 * time.Millisecond, ""},
		{"blacklist", "publisher_acl_blacklist: {users: [a], modules: cmd.*}", func(m *Master) any { return m.PublisherACLBlacklist }, ACLBlacklist{[]string{"a"}, []string{"cmd.*"}}, ""},
		{"signature name null", "id: x\nmaster_pubkey_signature: ~", func(m *Master) any { return m.MasterPubKeySignature }, "x_pubkey_signature", ""},
		{"empty peer", "peer: {}\nexternal_auth: {}", func(m *Master) any { return m.RetPort }, 4506, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, r := load(t, map[string]string{"master": tc.conf})
			if d := cmp.Diff(tc.want, tc.get(m)); d != "" {
				t.Error(d)
			}
			if tc.note != "" && !noticed(r, tc.note) {
				t.Errorf("no notice %q in %v", tc.note, r.Notices)
			}
			if tc.note == "" && len(r.Notices) > 0 {
				t.Errorf("unexpected notices %v", r.Notices)
			}
		})
	}
}

func TestNotices(t *testing.T) {
	_, r := load(t, map[string]string{"master": "my_plugin: 1\nzz.top: 2\nroster: flat\nreactor:\n  - a: b\nfile_recv: True\nsock_pool_size: 3\n"})
	for _, part := range []string{
		"Unknown options, kept but without effect: my_plugin, zz.top", "out of scope, ignored: roster",
		"Option 'reactor' has no effect here", "Option 'file_recv' is not supported by this release", "Option 'sock_pool_size'",
	} {
		if !noticed(r, part) {
			t.Errorf("no notice %q in %v", part, r.Notices)
		}
	}
}

// TestTable: every field has a row and the other way round, names are unique, defaults parse.
func TestTable(t *testing.T) {
	seen := map[Files]map[string]bool{InMaster: {}, InMinion: {}, InBroker: {}, InRelay: {}}
	for _, o := range Options() {
		if seen[o.In][o.Name] {
			t.Errorf("%s has two rows", o.Name)
		}
		seen[o.In][o.Name] = true
		if o.About == "" {
			t.Errorf("%s: no text", o.Name)
		}
		if _, ok := refusals[o.Name]; ok != (o.Verdict == Refused) {
			t.Errorf("%s: refusal text %v, verdict %s", o.Name, ok, o.Verdict)
		}
	}
	fields := func(x any) map[string]bool {
		out := map[string]bool{}
		for i := range reflect.TypeOf(x).NumField() {
			if name := reflect.TypeOf(x).Field(i).Tag.Get("salt"); name != "" {
				out[name] = true
			}
		}
		return out
	}
	for name := range fields(Master{}) {
		if o, ok := Lookup(name); !ok || o.Verdict == Silent || o.Verdict == Refused {
			t.Errorf("field of %s: verdict %v, known %v", name, o.Verdict, ok)
		}
	}
	if d := cmp.Diff(DefaultMaster(), DefaultMaster(), cmp.AllowUnexported(Master{}, Map{})); d != "" {
		t.Error(d)
	}
	if err := DefaultMaster().Validate(); err != nil {
		t.Errorf("the defaults have faults: %v", err)
	}
	if len(seen[InMaster]) < 300 {
		t.Errorf("only %d options", len(seen[InMaster]))
	}
}

func TestReloaded(t *testing.T) {
	cur, _ := load(t, map[string]string{"master": "publish_port: 1\nmax_minions: 1\nnodegroups: {a: x}\n"})
	next, _ := load(t, map[string]string{"master": "# moved\n\nnodegroups: {a: x}\npublish_port: 2\nmax_minions: 2\n"})
	next.ConfFile = cur.ConfFile
	got, restart := Reloaded(cur, next)
	if got.PublishPort != 1 || got.MaxMinions != 2 || cur.MaxMinions != 1 {
		t.Errorf("got port %d, minions %d (before %d)", got.PublishPort, got.MaxMinions, cur.MaxMinions)
	}
	if d := cmp.Diff([]string{"publish_port"}, restart); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Change{{"publish_port", false}, {"max_minions", true}}, Changes(cur, next)); d != "" {
		t.Error(d)
	}
}

func TestWriteReference(t *testing.T) {
	var b bytes.Buffer
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"| `publish_port` | int | `4505` | honoured |", "| `peer` | dict | `{}` | refused |", `jinja\|yaml`, "| `auth_tries` |"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%q is missing", part)
		}
	}
}

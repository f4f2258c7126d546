package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// remark prints a remark without the directory: "kind pos option: text → nearest".
func remark(dir string, r Remark) string {
	kind := [...]string{"fault", "unknown", "type", "unsupported", "notice", "no effect", "out of scope"}[r.Kind]
	pos := strings.TrimPrefix(r.Pos, dir+string(filepath.Separator))
	s := fmt.Sprintf("%s %s %s: %s", kind, pos, r.Option, strings.ReplaceAll(r.Text, dir+"/", ""))
	if r.Nearest != "" {
		s += " → " + r.Nearest
	}
	return s
}

func TestLintMaster(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string // parts, each in one remark
		not   []string // parts that no remark may hold
	}{
		{"clean", map[string]string{"master": "interface: 127.0.0.1\nuser: root\n"}, nil, []string{" "}},
		{
			"everything at once",
			map[string]string{
				"master":           "publsh_port: 4505\nret_port: x\nkeep_jobs_seconds: []\ncluster_id: c\nengines: [a]\nzebra_crossing: 1\n",
				"master.d/10.conf": "# c\nuser: root\nkeysize: 5\n\ngitfs-remotes: []\n",
				"master.d/20.conf": "a: 1\nb: [\n",
				"master.d/30.conf": "fips_mode: true\ninclude: gone/*.conf\n",
			},
			[]string{
				"unknown master:1 publsh_port: no such option; kept, without effect → publish_port",
				"fault master:2 ret_port: must be a number",
				"fault master:3 keep_jobs_seconds: must be a number",
				"fault master:4 cluster_id: stock Salt's master cluster",
				"no effect master:5 engines",
				"unknown master:6 zebra_crossing: no such option; kept, without effect",
				"fault master.d/10.conf:3 keysize: must be between",
				"unknown master.d/10.conf:5 gitfs-remotes: no such option; kept, without effect → gitfs_remotes",
				"fault master.d/20.conf",
				"unsupported master.d/30.conf:1 fips_mode",
				`notice master.d/30.conf:2 include: Warning parsing configuration file: "include" path/glob`,
			},
			[]string{"zebra_crossing: no such option; kept, without effect →"},
		},
		{"syntax", map[string]string{"master": "a: 1\nb: [\nc: 2\n"}, []string{"fault master:"}, nil},
		{"duplicate", map[string]string{"master": "a: 1\nb: 1\na: 2\n"}, []string{"fault master:3 : cannot be read: line 3: found conflicting ID 'a'"}, nil},
		{
			"types",
			map[string]string{"master": "nodegroups: text\nfile_roots: {base: [/x]}\nrenderer:\n  - a\n"},
			[]string{"type master:1 nodegroups: is a str, wanted is list or dict or None", "type master:3 renderer: is a list"},
			nil,
		},
		{"out of scope", map[string]string{"master": "gitfs_remotes:\n  - https://example.org/x.git\n"}, []string{"out of scope master:1 gitfs_remotes"}, nil},
		{"secrets stay", map[string]string{"master": "key_pass: [hunter2]\nsigning_key_pass: sdb://x/hunter2\nssh_passwd: hunter2\n"}, []string{"fault master:2 signing_key_pass"}, []string{"hunter2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := write(t, tc.files)
			_, _, remarks := LintMaster(options(dir))
			var all []string
			for _, r := range remarks {
				all = append(all, remark(dir, r))
			}
			for _, want := range tc.want {
				if n := len(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, want) })); n != 1 {
					t.Errorf("%d remarks begin with %q, want 1", n, want)
				}
			}
			for _, not := range tc.not {
				if slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, not) }) {
					t.Errorf("a remark contains %q", not)
				}
			}
			if t.Failed() {
				t.Log("\n" + strings.Join(all, "\n"))
			}
		})
	}
}

func TestLintSyndic(t *testing.T) {
	dir := write(t, map[string]string{
		"master":          "syndic_master: mom\nsyndic_failover: [x]\ncluster_id: c\nret_port: y\n",
		"minion":          "id: s\nmaster: x\nmster: y\nretry_dns: soon\nbeacons: {}\n",
		"minion.d/a.conf": "auth_tries: many\n",
	})
	s, _, remarks := LintSyndic(options(dir))
	if s == nil {
		t.Fatal("no syndic")
	}
	var all []string
	for _, r := range remarks {
		all = append(all, remark(dir, r))
	}
	for _, want := range []string{
		"unknown minion:3 mster: no such option; kept, without effect → master",
		"fault minion:4 retry_dns", "fault minion.d/a.conf:1 auth_tries", "out of scope minion:2 master", "fault master:4 ret_port",
	} {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no remark begins with %q", want)
		}
	}
	if slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "cluster_id") }) {
		t.Error("an option that stops the master counts against the syndic")
	}
	if t.Failed() {
		t.Log("\n" + strings.Join(all, "\n"))
	}
}

func TestEditDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"user", "user", 0}, {"usre", "user", 1}, {"usr", "user", 1}, {"uxxr", "user", 2}, {"abcdef", "x", 6}} {
		if got := editDistance(tc.a, tc.b, 10); got != tc.want {
			t.Errorf("%q %q: got %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

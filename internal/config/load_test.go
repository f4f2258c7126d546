package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write makes files below a new directory and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func noEnv(string) (string, bool) { return "", false }

func options(dir string) LoadOptions {
	return LoadOptions{ConfigDir: dir, Env: noEnv, Hostname: func() string { return "vm" }}
}

func load(t *testing.T, files map[string]string) (*Master, *Report) {
	t.Helper()
	m, r, err := LoadMaster(options(write(t, files)))
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

func noticed(r *Report, part string) bool {
	for _, n := range r.Notices {
		if strings.Contains(n.String(), part) {
			return true
		}
	}
	return false
}

// TestMergeGroups is the example of config-and-daemons §2.2.
func TestMergeGroups(t *testing.T) {
	m, r := load(t, map[string]string{
		"master":           "l: [1]\nn: {a: 1}\nkeep: 1\n",
		"master.d/10.conf": "l: [2]\nn: {b: 2, x: [2]}\n",
		"master.d/20.conf": "l: [3]\nn: {c: 3, x: [3]}\n",
		"master.d/.h.conf": "l: [9]\n",
		"master.d/30.txt":  "l: [9]\n",
	})
	want := []Pair{{"b", int64(2)}, {"x", []any{int64(2), int64(3)}}, {"c", int64(3)}}
	if d := cmp.Diff(want, m.Raw.Get("n").Any()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]any{int64(2), int64(3)}, m.Raw.Get("l").Any()); d != "" {
		t.Error(d)
	}
	if m.Raw.Get("keep") == nil || len(r.Files) != 3 {
		t.Errorf("keep %v, files %v", m.Raw.Get("keep"), r.Files)
	}
}

func TestIncludes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string // value of "k"
		note  string
	}{
		{"main only", map[string]string{"master": "k: main"}, "main", ""},
		{"default include wins over main", map[string]string{"master": "k: main", "master.d/a.conf": "k: d"}, "d", ""},
		{"include wins over default include", map[string]string{"master": "k: main\ninclude: x/*.conf", "master.d/a.conf": "k: d", "x/a.conf": "k: x"}, "x", ""},
		{"list order, not file order", map[string]string{"master": "include: [b.conf, a.conf]", "a.conf": "k: a", "b.conf": "k: b"}, "a", ""},
		{"changed default include", map[string]string{"master": "default_include: 'other/*'\nk: m", "master.d/a.conf": "k: d", "other/a": "k: o"}, "o", ""},
		{"nested overrides its includer", map[string]string{"master": "include: a.conf", "a.conf": "k: a\ninclude: sub/n.conf", "sub/n.conf": "k: n"}, "n", ""},
		{"no match is named", map[string]string{"master": "k: m\ninclude: gone.conf"}, "m", `"include" path/glob`},
		{"bad include is skipped", map[string]string{"master": "k: m", "master.d/a.conf": "k: [", "master.d/b.conf": "x: 1"}, "m", "Error parsing configuration file:"},
		{"a loop ends", map[string]string{"master": "include: a.conf", "a.conf": "k: a\ninclude: a.conf"}, "a", "includes itself"},
		{"template", map[string]string{"master.template": "#first\nk: t\n"}, "t", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, r := load(t, tc.files)
			if got, _ := m.Raw.Get("k").Text(); got != tc.want {
				t.Errorf("got %q, want %q; %v", got, tc.want, r.Notices)
			}
			if tc.note != "" && !noticed(r, tc.note) {
				t.Errorf("no notice %q in %v", tc.note, r.Notices)
			}
		})
	}
}

func TestWhichFile(t *testing.T) {
	env := func(kv ...string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			for i := 0; i < len(kv); i += 2 {
				if kv[i] == name {
					return kv[i+1], true
				}
			}
			return "", false
		}
	}
	for _, tc := range []struct {
		name string
		o    LoadOptions
		want string
	}{
		{"default", LoadOptions{Env: noEnv}, "/etc/salt/master"},
		{"dir variable", LoadOptions{Env: env("SALT_CONFIG_DIR", "/x")}, "/x/master"},
		{"option beats variable", LoadOptions{ConfigDir: "/y", Env: env("SALT_CONFIG_DIR", "/x")}, "/y/master"},
		{"file variable", LoadOptions{Env: env("SALT_MASTER_CONFIG", "/z/m")}, "/z/m"},
		{"file variable, explicit default", LoadOptions{ConfigDir: "/etc/salt", Env: env("SALT_MASTER_CONFIG", "/z/m")}, "/z/m"},
		{"file variable ignored", LoadOptions{ConfigDir: "/y", Env: env("SALT_MASTER_CONFIG", "/z/m")}, "/y/master"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.o.mainFile("master", "SALT_MASTER_CONFIG"); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestMissingFiles(t *testing.T) {
	m, r, err := LoadMaster(options(filepath.Join(t.TempDir(), "none")))
	if err != nil {
		t.Fatal(err)
	}
	if m.PublishPort != 4505 || !noticed(r, "does not exist") {
		t.Errorf("port %d, notices %v", m.PublishPort, r.Notices)
	}
	if m.ID != "vm_master" {
		t.Errorf("id %q", m.ID)
	}
}

// TestRootDir is config-and-daemons §2.4.
func TestRootDir(t *testing.T) {
	m, r := load(t, map[string]string{"master": `
root_dir: /opt/x
pki_dir: /data/pki
cachedir: /opt/x/cache
sock_dir: rel/run
log_file: file:///dev/log
autosign_file: auto.conf
file_roots: {base: [/srv/states]}
token_dir: /elsewhere
`})
	for name, got := range map[string][2]string{
		"pki_dir":       {m.PKIDir, "/opt/x/data/pki"},
		"cachedir":      {m.CacheDir, "/opt/x/cache"},
		"sock_dir":      {m.SockDir, "/opt/x/rel/run"},
		"pidfile":       {m.PIDFile, "/opt/x/var/run/salt-master.pid"},
		"log_file":      {m.LogFile, "file:///dev/log"},
		"key_logfile":   {m.KeyLogFile, "/opt/x/var/log/salt/key"},
		"autosign_file": {m.AutosignFile, "/opt/x/auto.conf"},
		"autoreject":    {m.AutorejectFile, ""},
		"file_roots":    {m.FileRoots[0].Dirs[0], "/srv/states"},
		"token_dir":     {m.TokenDir, "/opt/x/cache/tokens"},
		"syndic_dir":    {m.SyndicDir, "/opt/x/cache/syndics"},
		"job store":     {m.JobCacheDir, "/opt/x/cache/saltern/jobs"},
		"conf_file":     {filepath.Base(m.ConfFile), "master"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: got %q, want %q", name, got[0], got[1])
		}
	}
	if !noticed(r, "turns /data/pki into /opt/x/data/pki") {
		t.Errorf("the moved absolute path is not named: %v", r.Notices)
	}
}

func TestForcedPaths(t *testing.T) {
	for _, tc := range []struct{ name, file, sockDir, logFile string }{
		{"short", "cachedir: /c\nsock_dir: /run/s", "/run/s", "/var/log/salt/master"},
		{"long sock_dir", "cachedir: /c\nsock_dir: /run/a/very/long/one", "/c/.salt-unix", "/var/log/salt/master"},
		{"log_dir alone", "log_dir: /l", "/var/run/salt/master", "/l/master"},
		{"log_dir and name", "log_dir: /l\nlog_file: m.log", "/var/run/salt/master", "/l/m.log"},
		{"log_dir and path", "log_dir: /l\nlog_file: /k/m.log", "/var/run/salt/master", "/k/m.log"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, _ := load(t, map[string]string{"master": tc.file})
			if m.SockDir != tc.sockDir || m.LogFile != tc.logFile {
				t.Errorf("got %s, %s", m.SockDir, m.LogFile)
			}
		})
	}
}

// TestMasterID is config-and-daemons §2.5.
func TestMasterID(t *testing.T) {
	for _, tc := range []struct{ name, conf, cached, want string }{
		{"derived", "", "", "vm_master"},
		{"derived with domain", "append_domain: example.org", "", "vm.example.org_master"},
		{"set", "id: abc", "", "abc"},
		{"set with domain", "id: abc\nappend_domain: example.org", "", "abc.example.org"},
		{"domain is there already", "id: abc.example.org\nappend_domain: example.org", "", "abc.example.org"},
		{"number", "id: 3006.10", "", "3006.1"},
		{"cached", "", "web\nx\n", "web_master"},
		{"cached localhost", "", "localhost\n", "vm_master"},
		{"caching off", "minion_id_caching: False", "web\n", "vm_master"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			if tc.cached != "" {
				if err := os.MkdirAll(filepath.Join(root, "etc/salt"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(root, "etc/salt/minion_id"), []byte(tc.cached), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m, _ := load(t, map[string]string{"master": "root_dir: " + root + "\nsock_dir: /s\n" + tc.conf})
			if m.ID != tc.want {
				t.Errorf("got %q, want %q", m.ID, tc.want)
			}
		})
	}
}

func TestOverrides(t *testing.T) {
	o := options(write(t, map[string]string{"master": "user: a\ntimeout: 9\nlog_level: info", "master.d/a.conf": "user: b"}))
	o.Overrides = map[string]any{"user": "c", "timeout": 2 * time.Second, "publish_port": 1234, "auto_accept": true}
	m, _, err := LoadMaster(o)
	if err != nil {
		t.Fatal(err)
	}
	if m.User != "c" || m.Timeout != 2*time.Second || m.PublishPort != 1234 || !m.AutoAccept || m.LogLevelLogFile != "info" {
		t.Errorf("got %s %v %d %v %s", m.User, m.Timeout, m.PublishPort, m.AutoAccept, m.LogLevelLogFile)
	}
	o.Overrides = map[string]any{"user": struct{}{}}
	if _, _, err := LoadMaster(o); err == nil {
		t.Error("an override of unknown type was accepted")
	}
}

// TestBadFiles: one file per rule that stops a start; its first line says what the error must contain.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad-*.conf")
	if err != nil || len(files) < 20 {
		t.Fatalf("only %d bad files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".conf"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(src), "\n")
			want, ok := strings.CutPrefix(first, "# want: ")
			if !ok {
				t.Fatal("the first line must be '# want: text'")
			}
			_, r, err := LoadMaster(options(write(t, map[string]string{"master": string(src)})))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v\nwant %s", err, want)
			}
			if r == nil {
				t.Error("no report")
			}
			var parse *ParseError
			var fault *Fault
			if errors.As(err, &parse) == errors.As(err, &fault) {
				t.Errorf("%v is neither a *ParseError nor a *Fault", err)
			}
		})
	}
}

func TestValidate_joinsAllFaults(t *testing.T) {
	_, _, err := LoadMaster(options(write(t, map[string]string{"master": "publish_port: -1\ntimeout: x\ncluster_id: c\n", "master.d/a.conf": "keysize: 1\nsaltern_heartbeat: 0.5\nsaltern_heartbeat_timeout: -1\n"})))
	for _, part := range []string{"master:1: publish_port", "master:2: timeout", "master:3: cluster_id", "a.conf:1: keysize", "a.conf:2: saltern_heartbeat", "a.conf:3: saltern_heartbeat_timeout"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
}

func TestSecretsStayOut(t *testing.T) {
	_, r, err := LoadMaster(options(write(t, map[string]string{"master": "key_pass: [hunter2]\nsigning_key_pass: sdb://hunter2/x\n"})))
	text := err.Error()
	for _, n := range r.Notices {
		text += n.String()
	}
	if strings.Contains(text, "hunter2") {
		t.Error(text)
	}
}

func TestLoadClient(t *testing.T) {
	o := options(write(t, map[string]string{"master": "external_auth: {pam: {fred: [test.ping]}}\n"}))
	m, _, err := LoadClient(o)
	if err != nil || m.Interface != "127.0.0.1" {
		t.Fatalf("got %v, %v", m, err)
	}
	for _, tc := range [][2]string{{"0.0.0.0", "127.0.0.1"}, {"::", "::1"}, {"10.0.0.1", "10.0.0.1"}} {
		if got := (&Master{Interface: tc[0]}).ClientHost(); got != tc[1] {
			t.Errorf("%s: got %s", tc[0], got)
		}
	}
}

func TestLoadClient_userFile(t *testing.T) {
	dir := write(t, map[string]string{
		"conf/master": "timeout: 1\noutput: yaml\n", "home/.saltrc": "output: json\n",
		"xdg/salt/saltrc": "output: raw\n", "own": "output: txt\n", "bad": "output: [\n",
	})
	for _, tc := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"none", nil, "yaml"},
		{"home", map[string]string{"HOME": dir + "/home"}, "json"},
		{"xdg", map[string]string{"HOME": dir + "/home", "XDG_CONFIG_HOME": dir + "/xdg"}, "raw"},
		{"variable", map[string]string{"HOME": dir + "/home", "SALT_CLIENT_CONFIG": dir + "/own"}, "txt"},
		{"missing", map[string]string{"SALT_CLIENT_CONFIG": dir + "/gone"}, "yaml"},
		{"bad", map[string]string{"SALT_CLIENT_CONFIG": dir + "/bad"}, "yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(filepath.Join(dir, "conf"))
			o.Env = func(name string) (string, bool) { v, ok := tc.env[name]; return v, ok }
			m, _, err := LoadClient(o)
			if err != nil || m.Output != tc.want || m.Timeout != time.Second {
				t.Errorf("got %+v, %v; want %s", m.Output, err, tc.want)
			}
		})
	}
}

func TestLoadClient_tokenFile(t *testing.T) {
	dir := write(t, map[string]string{"xdg/salt/x": "", "home/x": ""})
	home := map[string]string{"HOME": dir + "/home"}
	for _, tc := range []struct {
		name, option string
		env          map[string]string
		want         string
	}{
		{"no home", "", nil, ""},
		{"home", "", home, dir + "/home/salt_token"},
		{"xdg", "", map[string]string{"HOME": dir + "/home", "XDG_CONFIG_HOME": dir + "/xdg"}, dir + "/xdg/salt/salt_token"},
		{"option", "token_file: /t/f\n", home, "/t/f"},
		{"option below home", "token_file: ~/t\n", home, dir + "/home/t"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(write(t, map[string]string{"master": tc.option}))
			o.Env = func(name string) (string, bool) { v, ok := tc.env[name]; return v, ok }
			m, _, err := LoadClient(o)
			if err != nil || m.TokenFile != tc.want {
				t.Errorf("got %q, %v; want %q", m.TokenFile, err, tc.want)
			}
		})
	}
}

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func loadRelay(t *testing.T, text string) (*Relay, *Report, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "relay"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadRelay(LoadOptions{ConfigDir: dir, Env: func(string) (string, bool) { return "", false }, Hostname: func() string { return "host" }})
}

func TestLoadRelay(t *testing.T) {
	r, report, err := loadRelay(t, `
id: dmz
root_dir: /r
replay_max_age: 30
redis.host: cache
redis.password: s3cret
saltern_redis_tls_ca: /ca.pem
taps:
  - {master: 10.0.0.1}
outlets:
  - {master: 10.0.0.1}
  - {master: 10.0.0.2, name: two, mode: stream, publish_port: 4600, ret_port: 4601, interface: 127.0.0.2}
`)
	if err != nil || len(report.Notices) != 0 {
		t.Fatal(err, report.Notices)
	}
	if d := cmp.Diff([]RelayTap{{Name: "10.0.0.1", Host: "10.0.0.1", PublishPort: 4505, RetPort: 4506, ID: r.ID}}, r.Taps); d != "" {
		t.Error(d)
	}
	want := []RelayOutlet{
		{Name: "10.0.0.1", Host: "10.0.0.1", MasterPublishPort: 4505, MasterRetPort: 4506, Interface: "127.0.0.1", PublishPort: 4515, RetPort: 4516, Mode: "both"},
		{Name: "two", Host: "10.0.0.2", MasterPublishPort: 4505, MasterRetPort: 4506, Interface: "127.0.0.2", PublishPort: 4600, RetPort: 4601, Mode: "stream"},
	}
	if d := cmp.Diff(want, r.Outlets); d != "" {
		t.Error(d)
	}
	if r.ID != "dmz" || r.CacheDir != "/r/var/cache/salt/relay" || r.ReplayMaxAge != 30*time.Second || r.StreamKey("two") != "saltern:publications:two" {
		t.Errorf("%+v", r)
	}
	if !r.Redis.UseTLS() || r.Redis.Port != 6379 {
		t.Errorf("%+v", r.Redis)
	}
	for _, text := range []string{fmt.Sprint(r.Redis), fmt.Sprintf("%v %+v %#v %s", r.Redis, r.Redis, r.Redis, &r.Redis)} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("the password shows in %q", text)
		}
	}
}

func TestLoadRelay_faults(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":     {"id: a\n", "nothing to do"},
		"misspelt":    {"taps:\n  - {master: a, publish_prt: 3}\n", "there is no key publish_prt"},
		"no master":   {"taps:\n  - {name: a}\n", "names no master"},
		"no map":      {"taps:\n  - a\n", "must be a map"},
		"pki_dir":     {"taps: [{master: a, pki_dir: pki}]\n", "must be an absolute path"},
		"no list":     {"taps: {a: b}\n", "must be a list"},
		"twice":       {"taps: [{master: a}, {master: a}]\n", "is there twice"},
		"mode":        {"outlets: [{master: a, mode: x}]\n", "mode must be both or stream"},
		"same port":   {"outlets: [{master: a, publish_port: 1, ret_port: 1}]\n", "is the same as publish_port"},
		"port":        {"outlets: [{master: a, publish_port: 70000}]\n", "not a port"},
		"half a pair": {"taps: [{master: a}]\nsaltern_redis_tls_cert: /a\n", "belong together"},
		"socket":      {"taps: [{master: a}]\nredis.unix_socket_path: /a\nsaltern_redis_tls: True\n", "TLS is for host and port"},
		"level":       {"taps: [{master: a}]\nlog_level: loud\n", "is not one of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := loadRelay(t, tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestMaster_export(t *testing.T) {
	m, r := load(t, map[string]string{"master": "master_job_cache: redis\nredis.host: here\nredis.db: '3'\n"})
	if !m.ExportsJobs() || m.Redis.Host != "here" || m.Redis.DB != 3 || len(r.Notices) != 0 {
		t.Errorf("%v %v %v", m.ExportsJobs(), m.Redis, r.Notices)
	}
	if m, _ = load(t, map[string]string{"master": "ext_job_cache: redis\n"}); !m.ExportsJobs() || m.Redis.Host != "salt" {
		t.Errorf("%v %v", m.ExportsJobs(), m.Redis)
	}
	if m, r = load(t, map[string]string{"master": "master_job_cache: mysql\n"}); m.ExportsJobs() || !noticed(r, "mysql is not supported") {
		t.Errorf("%v %v", m.ExportsJobs(), r.Notices)
	}
	_, _, err := LoadMaster(options(write(t, map[string]string{"master": "master_job_cache: redis\nredis.cluster_mode: True\n"})))
	if err == nil || !strings.Contains(err.Error(), "Redis Cluster") {
		t.Error(err)
	}
	m, _ = load(t, map[string]string{"master": "master_job_cache: redis\n"})
	next, _ := load(t, map[string]string{"master": "master_job_cache: redis\nredis.host: there\n"})
	next.ConfFile = m.ConfFile
	if got, restart := Reloaded(m, next); got.Redis.Host != m.Redis.Host || !cmp.Equal(restart, []string{"redis"}) {
		t.Errorf("%v after a reload of %v", got.Redis, restart)
	}
}

package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func loadSyndic(t *testing.T, files map[string]string) (*Syndic, *Report) {
	t.Helper()
	s, r, err := LoadSyndic(options(write(t, files)))
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func TestSyndicUpstreams(t *testing.T) {
	for _, tc := range []struct {
		name, master, minion string
		want                 []Upstream
	}{
		{"one host", "syndic_master: mom", "", []Upstream{{"mom", 4506, 0, "mom"}}},
		{"list", "syndic_master: [a, 'b:4600', '[fd00::1]:4700', 'fd00::2', 192.0.2.1]", "", []Upstream{
			{"a", 4506, 0, "a"},
			{"b", 4600, 0, "b:4600"},
			{"fd00::1", 4700, 0, "[fd00::1]:4700"},
			{"fd00::2", 4506, 0, "fd00::2"},
			{"192.0.2.1", 4506, 0, "192.0.2.1"},
		}},
		{"syndic_master_port", "syndic_master: [a, 'b:1']\nsyndic_master_port: 9", "", []Upstream{{"a", 9, 0, "a"}, {"b", 1, 0, "b:1"}}},
		{"master_port of the minion file", "syndic_master: a", "master_port: 8", []Upstream{{"a", 8, 0, "a"}}},
		{"syndic_master_port wins", "syndic_master: a\nsyndic_master_port: 9", "master_port: 8", []Upstream{{"a", 9, 0, "a"}}},
		{"own publish_port is not theirs", "syndic_master: a\npublish_port: 7", "", []Upstream{{"a", 4506, 0, "a"}}},
		{"publish_port of the minion file", "syndic_master: a", "publish_port: 7", []Upstream{{"a", 4506, 7, "a"}}},
		{"syndic_master_publish_port", "syndic_master: a\nsyndic_master_publish_port: 6", "publish_port: 7", []Upstream{{"a", 4506, 6, "a"}}},
		{"twice", "syndic_master: [a, a]", "", []Upstream{{"a", 4506, 0, "a"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := loadSyndic(t, map[string]string{"master": tc.master, "minion": tc.minion})
			if d := cmp.Diff(tc.want, s.Upstreams); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestSyndicFiles is config-and-daemons §4.2 and syndic §2: which file each option comes from.
func TestSyndicFiles(t *testing.T) {
	s, _ := loadSyndic(t, map[string]string{
		"master": "id: m1\nsyndic_master: mom\nuser: salt\ninterface: 0.0.0.0\nret_port: 5506\ncachedir: /c\nsock_dir: /s\nlog_level: info\n" +
			"pki_dir: /pki/master\nauth_tries: 1\nsyndic_event_forward_timeout: 2\nsyndic_failover: ordered\nexternal_auth: {pam: {a: [b]}}\n",
		"minion":          "id: syn1\nmaster: ignored\ncachedir: /mc\nuser: other\nlog_level: debug\npki_dir: /pki/minion\nauth_tries: 9\nacceptance_wait_time: 3\n",
		"minion.d/a.conf": "auth_timeout: 11\n",
	})
	for name, pair := range map[string][2]any{
		"id":        {s.ID, "syn1"},
		"local id":  {s.Local.ID, "m1"},
		"pki_dir":   {s.PKIDir, "/pki/minion"},
		"cachedir":  {s.CacheDir, "/c"},
		"sock_dir":  {s.SockDir, "/s"},
		"interface": {s.Interface, "127.0.0.1"},
		"ret_port":  {s.RetPort, 5506},
		"user":      {s.User, "salt"},
		"log_level": {s.LogLevel, "info"},
		"pidfile":   {s.PIDFile, "/var/run/salt-syndic.pid"},
		"log_file":  {s.LogFile, "/var/log/salt/syndic"},
		"tries":     {s.AuthTries, 9},
		"timeout":   {s.AuthTimeout, 11 * time.Second},
		"wait":      {s.AcceptanceWait, 3 * time.Second},
		"forward":   {s.EventForwardTimeout, 2 * time.Second},
		"failover":  {s.Failover, "ordered"},
		"recon":     {s.ReconMax, 10 * time.Second},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestSyndicIdentity(t *testing.T) {
	for _, tc := range []struct{ name, master, minion, want string }{
		{"no suffix", "", "", "vm"},
		{"domain", "", "append_domain: example.org", "vm.example.org"},
		{"number", "", "id: 17", "17"},
		{"the master's id is not used", "id: m", "", "vm"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			s, _ := loadSyndic(t, map[string]string{
				"master": "syndic_master: a\nsock_dir: /s\nroot_dir: " + root + "\n" + tc.master,
				"minion": "root_dir: " + root + "\n" + tc.minion,
			})
			if s.ID != tc.want || s.PKIDir != root+"/etc/salt/pki/minion" {
				t.Errorf("got %q in %s, want %q", s.ID, s.PKIDir, tc.want)
			}
		})
	}
}

func TestSyndicOverrides(t *testing.T) {
	o := options(write(t, map[string]string{"master": "syndic_master: a\nuser: x\nsyndic_user: y\n"}))
	o.Overrides = map[string]any{"user": "z", "pidfile": "/p", "log_file": "/l", "log_level": "debug"}
	s, _, err := LoadSyndic(o)
	if err != nil {
		t.Fatal(err)
	}
	if s.User != "z" || s.PIDFile != "/p" || s.LogFile != "/l" || s.LogLevel != "debug" || s.Local.User != "x" {
		t.Errorf("got %s %s %s %s %s", s.User, s.PIDFile, s.LogFile, s.LogLevel, s.Local.User)
	}
}

func TestSyndicFaults(t *testing.T) {
	for _, tc := range []struct{ name, master, minion, want string }{
		{"no upstream", "", "", "syndic_master: is not set"},
		{"empty upstream", "syndic_master: ''", "", "syndic_master: names no host"},
		{"bad port", "syndic_master: 'a:99999'", "", `entry "a:99999": "99999" is not a port`},
		{"bad address", "syndic_master: ['[::1', a]", "", `entry "[::1": is not host`},
		{"map", "syndic_master: {a: b}", "", "must be a host or a list of hosts"},
		{"port option", "syndic_master: a\nsyndic_master_port: 0", "", "syndic_master_port: is not a port"},
		{"encryption", "syndic_master: a", "encryption_algorithm: none", "encryption_algorithm: 'none' is not one of"},
		{"transport", "syndic_master: a", "transport: tcp", "transport: only zeromq"},
		{"negative", "syndic_master: a", "auth_timeout: -1", "minion:1: auth_timeout: must not be negative"},
		{"negative forward", "syndic_master: a\nsyndic_event_forward_timeout: -1", "", "syndic_event_forward_timeout: must not be negative"},
		{"ret_port", "syndic_master: a\nret_port: x", "", "ret_port: must be a number"},
		{"mode", "syndic_master: a\nsyndic_mode: fast", "", "syndic_mode: 'fast'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, r, err := LoadSyndic(options(write(t, map[string]string{"master": tc.master, "minion": tc.minion})))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			if s == nil || r == nil {
				t.Error("nothing to show for a check")
			}
		})
	}
	_, _, err := LoadSyndic(options(write(t, map[string]string{"master": "syndic_master: a", "minion": "a: ["})))
	var parse *ParseError
	if !errors.As(err, &parse) || !strings.HasSuffix(parse.Path, "/minion") {
		t.Errorf("got %v, want a *ParseError for the minion file", err)
	}
}

func TestDefaultSyndic(t *testing.T) {
	s := DefaultSyndic()
	if s.AuthTries != 7 || s.PKIDir != "/etc/salt/pki/minion" || len(s.Upstreams) != 0 || s.Local == nil {
		t.Errorf("got %+v", s)
	}
}

func TestSyndic_metricsAddress(t *testing.T) {
	for _, tt := range []struct{ in, fault string }{
		{"':9465'", ""},
		{"'[::1]:9465'", ""},
		{"localhost:9465", ""},
		{"'9465'", "saltern_syndic_metrics_address: '9465' is not host:port"},
		{"'localhost:http'", "saltern_syndic_metrics_address: 'localhost:http' is not host:port"},
		{"'localhost:70000'", "saltern_syndic_metrics_address: 'localhost:70000' is not host:port"},
	} {
		cfg, _, err := LoadSyndic(options(write(t, map[string]string{
			"master": "syndic_master: mom1\nsaltern_syndic_metrics_address: " + tt.in + "\n",
		})))
		switch {
		case tt.fault == "" && (err != nil || cfg.MetricsAddress != strings.Trim(tt.in, "'")):
			t.Errorf("%s: got %v", tt.in, err)
		case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
			t.Errorf("%s: got %v, want %s", tt.in, err, tt.fault)
		}
	}
}

func TestSyndic_relay(t *testing.T) {
	base := "syndic_master: [a, 'b:5506']\n"
	s, _, err := LoadSyndic(options(write(t, map[string]string{
		"master": base + "saltern_relay: {'b:5506': mom}\nredis.host: cache\n", "minion": "id: syn1\n",
	})))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Relay) != 1 || s.Relay["b:5506"] != "mom" || s.RelayPrefix != "saltern:publications:" || s.Local.Redis.Host != "cache" {
		t.Errorf("%v, %q, %v", s.Relay, s.RelayPrefix, s.Local.Redis)
	}
	for name, bad := range map[string]struct{ lines, want string }{
		"no map":     {"saltern_relay: mom\n", "must be a map"},
		"no such":    {"saltern_relay: {c: mom}\n", "'c' is no entry of syndic_master"},
		"no name":    {"saltern_relay: {a: ''}\n", "stream of 'a'"},
		"a list":     {"saltern_relay: {a: [x]}\n", "stream of 'a'"},
		"half a TLS": {"saltern_relay: {a: mom}\nsaltern_redis_tls_cert: /x\n", "belong together"},
		"a cluster":  {"saltern_relay: {a: mom}\nredis.cluster_mode: True\n", "Redis Cluster is not supported"},
	} {
		_, _, err := LoadSyndic(options(write(t, map[string]string{"master": base + bad.lines, "minion": "id: syn1\n"})))
		if err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v, want %q", name, err, bad.want)
		}
	}
}

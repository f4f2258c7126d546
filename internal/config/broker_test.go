package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBrokerMasters(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		want       []BrokerUpstream
	}{
		{"one host", "master: up", []BrokerUpstream{{"up", 4506, 4505, "up"}}},
		{"own ports are theirs", "master: up\npublish_port: 5505\nret_port: 5506", []BrokerUpstream{{"up", 5506, 5505, "up"}}},
		{
			"their own ports", "master: up\npublish_port: 5505\nsaltern_master_publish_port: 4505\nsaltern_master_ret_port: 4506",
			[]BrokerUpstream{{"up", 4506, 4505, "up"}},
		},
		{"list", "master: [a, 'b:4600', '[fd00::1]:4700', 'fd00::2', {host: c, ret_port: 1, publish_port: '2'}]", []BrokerUpstream{
			{"a", 4506, 4505, "a"},
			{"b", 4600, 4505, "b:4600:4505"},
			{"fd00::1", 4700, 4505, "[fd00::1]:4700:4505"},
			{"fd00::2", 4506, 4505, "fd00::2"},
			{"c", 1, 2, "c:1:2"},
		}},
		{"twice", "master: [a, 'a:4506', a]", []BrokerUpstream{{"a", 4506, 4505, "a"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, _, err := LoadBroker(options(write(t, map[string]string{"broker": tc.file})))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, b.Masters); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestBrokerFile is what a file of salt-broker says, with an include.
func TestBrokerFile(t *testing.T) {
	b, report, err := LoadBroker(options(write(t, map[string]string{
		"broker":          "master: up\ninterface: 10.0.0.1\npublish_port: 4505\nret_port: 4506\nuser: salt\nlog_level: INFO\nlog_fmt_console: '%(message)s'\ntcp_keepalive: False\npki_dir: /x\nroot_dir: /r\n",
		"broker.d/a.conf": "saltern_request_hold: 2.5\non_upstream_gap: bounce\n",
	})))
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]any{
		"interface": {b.Interface, "10.0.0.1"}, "user": {b.User, "salt"}, "log_level": {b.LogLevel, "info"},
		"log_level_logfile": {b.LogLevelLogFile, "info"}, "log_fmt_logfile": {b.LogFmtLogFile, "%(message)s"},
		"tcp_keepalive": {b.TCPKeepalive, false}, "pidfile": {b.PIDFile, "/r/var/run/salt-broker.pid"}, "sock_dir": {b.SockDir, "/r/var/run/salt/broker"},
		"saltern_request_hold": {b.RequestHold, 2500 * time.Millisecond}, "on_upstream_gap": {b.OnUpstreamGap, "bounce"}, "pub_hwm": {b.PubHWM, 1000},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	var said []string
	for _, n := range report.Notices {
		said = append(said, n.Text)
	}
	if text := strings.Join(said, "\n"); !strings.Contains(text, "pki_dir") {
		t.Errorf("nothing said of an option that a broker does not have: %q", text)
	}
}

func TestBrokerFaults(t *testing.T) {
	for _, tc := range []struct{ name, file, want string }{
		{"no master", "interface: 127.0.0.1", "master: is not set"},
		{"empty master", "master: ''", "an entry is a host"},
		{"nested list", "master: [[a]]", "an entry is a host"},
		{"unknown key", "master: {host: a, port: 1}", "not port"},
		{"bad port", "master: {host: a, ret_port: 70000}", "is not a port"},
		{"bad entry", "master: 'a:b:c'", "is not host, host:port"},
		{"gap", "master: a\non_upstream_gap: maybe", "is not one of none, bounce"},
		{"transport", "master: a\ntransport: tcp", "only zeromq"},
		{"same port", "master: a\nret_port: 4505", "same port"},
		{"heartbeat", "master: a\nsaltern_heartbeat: 5\nsaltern_heartbeat_timeout: 1", "must not be shorter"},
		{"unbounded", "master: a\npub_hwm: 0", "no queue without a bound"},
		{"level", "master: a\nlog_level: loud", "is not one of"},
		{"metrics", "master: a\nsaltern_metrics_address: here", "is not host:port"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := LoadBroker(options(write(t, map[string]string{"broker": tc.file})))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "broker") && tc.name != "no master" {
				t.Errorf("got %v, want %q with the file", err, tc.want)
			}
		})
	}
}

func TestReloadedBroker(t *testing.T) {
	dir := write(t, map[string]string{"broker": ""})
	load := func(file string) *Broker {
		if err := os.WriteFile(filepath.Join(dir, "broker"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		b, _, err := LoadBroker(options(dir))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cur, next := load("master: a\nret_port: 1\n"), load("master: [b, a]\nret_port: 2\nsaltern_failback: 7\n")
	merged, restart := ReloadedBroker(cur, next)
	if merged.RetPort != 1 || merged.Failback != 7*time.Second || len(merged.Masters) != 2 {
		t.Errorf("merged %+v", merged)
	}
	if d := cmp.Diff([]string{"ret_port"}, restart); d != "" {
		t.Error(d)
	}
	if cur.Failback != 0 {
		t.Error("the running snapshot was changed")
	}
}

// TestDefaultBroker: the defaults have one fault, that nobody is named to forward to, and every path is absolute.
func TestDefaultBroker(t *testing.T) {
	b := DefaultBroker()
	if err := b.Validate(); err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.HasPrefix(err.Error(), "master: is not set") {
		t.Errorf("faults of the defaults: %v", err)
	}
	if b.RequestHold >= 5*time.Second {
		t.Errorf("a held request is answered after %v, when stock's auth_timeout of 5 s has passed", b.RequestHold)
	}
}

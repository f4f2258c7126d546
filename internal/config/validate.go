package config

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSocketPath is the longest path a Unix socket can have on Linux.
const maxSocketPath = 107

// longestSocket is the longest socket name below sock_dir.
const longestSocket = "master_event_pull.ipc"

// Validate joins every reason not to start, each a *Fault with option, value, file and line; nil when
// there is none (spec: config-and-daemons §2.6).
func (m *Master) Validate() error {
	faults := slices.Clone(m.faults)
	fault := func(name, format string, args ...any) {
		faults = append(faults, newFault(name, false, m.Raw.Get(name), format, args...))
	}
	if !slices.Contains([]string{"PKCS1v15-SHA1", "PKCS1v15-SHA224"}, m.PublishSigningAlgorithm) {
		// The spelling is stock's; operators and tests look for it.
		fault("publish_signing_algorithm", "The  publish signging algorithm '%s' is not valid. Please specify one of PKCS1v15-SHA1,PKCS1v15-SHA224.", m.PublishSigningAlgorithm)
	}
	if m.Transport != "zeromq" {
		fault("transport", "only zeromq is supported, not '%s'", m.Transport)
	}
	oneOf := func(name, got string, allowed ...string) {
		if !slices.Contains(allowed, got) {
			fault(name, "'%s' is not one of %s", got, strings.Join(allowed, ", "))
		}
	}
	oneOf("ipc_mode", m.IPCMode, "ipc", "tcp")
	oneOf("saltern_event_bus_framing", m.EventBusFraming, "auto", "bare", "length")
	oneOf("log_format", m.LogFormat, "salt", "json")
	oneOf("saltern_pending_reply", m.PendingReply, "pending", "full")
	oneOf("hash_type", m.HashType, "md5", "sha1", "sha224", "sha256", "sha384", "sha512")
	oneOf("serial", m.rawText("serial", "msgpack"), "msgpack")
	oneOf("cache", m.rawText("cache", "localfs"), "localfs")
	oneOf("log_level", m.LogLevel, logLevels...)
	oneOf("log_level_logfile", m.LogLevelLogFile, logLevels...)
	if m.PublishPort == m.RetPort && m.PublishPort != 0 {
		fault("ret_port", "is the same port as publish_port, %d", m.RetPort)
	}
	if p := m.SockDir + "/" + longestSocket; m.IPCMode == "ipc" && len(p) > maxSocketPath {
		fault("sock_dir", "is too long: the socket %s has %d characters, a Unix socket at most %d", p, len(p), maxSocketPath)
	}
	for _, name := range []string{"tcp_keepalive_idle", "tcp_keepalive_cnt", "tcp_keepalive_intvl"} {
		if v := m.Raw.Get(name); v != nil {
			if f, err := asNumber(v); err == nil && f < -1 {
				fault(name, "must be -1 (system default) or more")
			}
		}
	}
	if !validAddress(m.MetricsAddress) {
		fault("saltern_metrics_address", "'%s' is not host:port", m.MetricsAddress)
	}
	if m.ExportsJobs() {
		m.Redis.faults(fault)
		if v := m.Raw.Get("redis.cluster_mode"); v != nil && truth(v) {
			fault("redis.cluster_mode", "Redis Cluster is not supported: name one server")
		}
	}
	if m.Heartbeat != 0 && m.Heartbeat < time.Second {
		fault("saltern_heartbeat", "must be 0 or at least 1 second")
	}
	if m.HeartbeatTimeout != 0 && m.HeartbeatTimeout < time.Second {
		fault("saltern_heartbeat_timeout", "must be 0 or at least 1 second")
	}
	if _, err := m.KeyPeerAddresses(); err != nil {
		fault("saltern_key_peers", "%s", err)
	}
	faults = append(faults, refused(m.Raw)...)
	return errors.Join(faults...)
}

// rawText is the text of an option that has no field, or its default.
func (m *Master) rawText(name, def string) string {
	if s, ok := m.Raw.Get(name).Text(); ok {
		return s
	}
	return def
}

// logLevels are the names of config-and-daemons §3.
var logLevels = []string{"all", "garbage", "trace", "debug", "profile", "info", "warning", "error", "critical", "quiet"}

// refusals say what to do about each option whose silent loss would open a hole.
var refusals = map[string]string{
	"external_auth": "logins through external authentication are not supported by this release and would be refused without a word; remove the option to start",
	"publisher_acl": "access lists for local users are not supported by this release; remove the option to start, only root and the master's user may then publish",
	"peer":          "publishing by minions (peer) is not supported by this release; remove the option to start, minions may then publish nothing",
	"peer_run":      "runners started by minions (peer_run) are not supported by this release; remove the option to start, minions may then run nothing",
	"mine_get":      "access rules for mine data are not supported by this release; remove the option to start, every minion may then read all mine data",
	"cluster_id":    "stock Salt's master cluster is not supported; remove the option to start, several masters may share the keys by other means",
	"ssl":           "TLS exists for stock Salt's tcp and ws transports only; the zeromq transport encrypts every message, remove the option to start",
}

func refused(tree *Map) []error {
	var faults []error
	for _, o := range table() {
		v := tree.Get(o.Name)
		if o.Verdict != Refused || o.In != InMaster || v == nil || !truth(v) {
			continue
		}
		faults = append(faults, newFault(o.Name, false, v, "%s", refusals[o.Name]))
	}
	return faults
}

// validAddress reports whether s is empty or host:port; the host may be empty, or an IPv6 address in
// brackets.
func validAddress(s string) bool {
	if s == "" {
		return true
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

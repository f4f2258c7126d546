package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Syndic is the configuration of a syndic: its upstream links from the minion file, everything else
// from the master file (spec: config-and-daemons §4.2, syndic §2). A loaded Syndic must not be
// modified.
type Syndic struct {
	// Local is the master file's half: the local master's address, event bus (Local.SockDir), cache
	// directory and root key (Local.CacheDir), and the accounts.
	Local *Master

	Upstreams      []Upstream // in file order, without duplicates
	User           string     // syndic_user, else the master's user
	PIDFile        string     // syndic_pidfile
	LogFile        string     // syndic_log_file, or a syslog URL
	LogLevel       string     // the master file's
	MetricsAddress string     // saltern_syndic_metrics_address: host:port, "" = no TCP listener
	SockDir        string     // the local master's event bus directory, same as Local.SockDir
	CacheDir       string     // the local master's cachedir
	Interface      string     // the local master's interface, wildcard replaced by loopback
	RetPort        int        // the local master's request port

	Failover            string        // "random", or "ordered": the list order is kept
	EventForwardTimeout time.Duration // between two flushes upward
	JIDForwardCacheHWM  int           // jobs whose load is not sent again
	Mode                string        // "sync" or "cluster"
	ForwardAllEvents    bool          // forward every event, not only what masters of masters need

	StandbyAfter time.Duration // away for longer than this, an upstream's returns go to stand-bys as well
	ReplayMaxAge time.Duration // older publications that were missed are reported, not run
	ReplayAll    bool          // replay jobs of any user from a stock master of masters
	LocalReturns string        // "failover" (one upstream) or "all": returns of the local master's own jobs
	OutboxItems  int64         // bounds of what waits for one upstream
	OutboxBytes  int64
	OutboxAge    time.Duration

	Relay       map[string]string // entry of syndic_master → name of its relay's stream, read over Local.Redis
	RelayPrefix string            // before the name, in Redis

	// From the minion file.

	ID                        string        `salt:"id"`      // no suffix
	PKIDir                    string        `salt:"pki_dir"` // minion.pem, minion.pub, syndic_master.pub
	RootDir                   string        `salt:"root_dir"`
	AppendDomain              string        `salt:"append_domain"`
	AcceptanceWait            time.Duration `salt:"acceptance_wait_time"`
	AcceptanceWaitMax         time.Duration `salt:"acceptance_wait_time_max"` // 0 = does not grow
	AuthTimeout               time.Duration `salt:"auth_timeout"`
	AuthTries                 int           `salt:"auth_tries"`
	RejectedRetry             bool          `salt:"rejected_retry"`
	RandomReauthDelay         time.Duration `salt:"random_reauth_delay"`
	ReconDefault              time.Duration `salt:"recon_default"`
	ReconMax                  time.Duration `salt:"recon_max"`
	ReconRandomize            bool          `salt:"recon_randomize"`
	ReturnRetryTimer          time.Duration `salt:"return_retry_timer"`
	ReturnRetryTimerMax       time.Duration `salt:"return_retry_timer_max"`
	ReturnRetryTries          int           `salt:"return_retry_tries"`
	RequestChannelTimeout     time.Duration `salt:"request_channel_timeout"`
	RequestChannelTries       int           `salt:"request_channel_tries"`
	MasterFinger              string        `salt:"master_finger"` // syndic_finger of either file wins
	VerifyMasterPubKeySign    bool          `salt:"verify_master_pubkey_sign"`
	AlwaysVerifySignature     bool          `salt:"always_verify_signature"`
	MasterSignKeyName         string        `salt:"master_sign_key_name"`
	EncryptionAlgorithm       string        `salt:"encryption_algorithm"`
	SigningAlgorithm          string        `salt:"signing_algorithm"`
	MinionSignMessages        bool          `salt:"minion_sign_messages"`
	HashType                  string        `salt:"hash_type"`
	KeySize                   int           `salt:"keysize"`
	EnableLegacyStartupEvents bool          `salt:"enable_legacy_startup_events"`
	TCPKeepalive              bool          `salt:"tcp_keepalive"`
	TCPKeepaliveIdle          int           `salt:"tcp_keepalive_idle"`
	TCPKeepaliveCnt           int           `salt:"tcp_keepalive_cnt"`
	TCPKeepaliveIntvl         int           `salt:"tcp_keepalive_intvl"`
	IPv6                      bool          `salt:"ipv6"`
	ZMQFiltering              bool          `salt:"zmq_filtering"`
	RetryDNS                  time.Duration `salt:"retry_dns"`

	// Raw is the merged tree a stock syndic would see: master options, minion options over them.
	Raw *Map

	minionRaw *Map
	faults    []error
}

// SyndicIDFile is where a saltern syndic tells the master beside it its id, in that master's cache directory: one line,
// without an end.
const SyndicIDFile = "saltern/syndic.id"

// Upstream is one master of masters.
type Upstream struct {
	Host        string // name or address, no brackets
	Port        int    // request port
	PublishPort int    // 0 = the port the master announces when the syndic signs in
	Entry       string // as written in syndic_master; the name `master_id` is compared with
}

// unsetSyndicMaster is stock's placeholder default of syndic_master.
const unsetSyndicMaster = "masterofmasters"

const defaultRetPort = 4506

// LoadSyndic reads both files of one directory (spec: syndic §2) and checks the result; errors are as
// for LoadMaster. Overrides name options of the master file, plus user, pidfile and log_file, which
// mean the syndic's own here.
func LoadSyndic(o LoadOptions) (*Syndic, *Report, error) {
	masterOptions := o
	masterOptions.Overrides = map[string]any{}
	own := map[string]any{}
	for name, v := range o.Overrides {
		switch name {
		case "user", "pidfile", "log_file":
			own[name] = v
		default:
			masterOptions.Overrides[name] = v
		}
	}
	local, report, err := loadMaster(masterOptions, nil)
	if err != nil {
		return nil, report, err
	}
	l := &loader{options: o, report: report}
	minionTree, err := l.main(o.mainFile("minion", "SALT_MINION_CONFIG"), "minion.d/*.conf")
	if err != nil {
		return nil, report, err
	}
	s := &Syndic{Local: local, minionRaw: minionTree}
	s.Raw = local.Raw.clone()
	s.Raw.replaceAll(minionTree)
	b := &binder{in: InMinion, report: report}
	b.bind(s, minionTree)
	s.settle(b, o)
	for name, v := range own {
		text, ok := v.(string)
		if !ok {
			return nil, report, fmt.Errorf("override %s: a string is required, not %T", name, v)
		}
		switch name {
		case "user":
			s.User = text
		case "pidfile":
			s.PIDFile = text
		case "log_file":
			s.LogFile = text
		}
	}
	b.notices(minionTree)
	s.faults = append(s.faults, b.faults...)
	return s, report, s.Validate()
}

// DefaultSyndic is the configuration without any file. Upstreams and ID are empty.
func DefaultSyndic() *Syndic {
	s := &Syndic{Local: DefaultMaster(), Raw: &Map{}, minionRaw: &Map{}}
	b := &binder{in: InMinion, report: &Report{}}
	b.bind(s, nil)
	s.settle(b, LoadOptions{Hostname: func() string { return "" }})
	s.Upstreams = nil
	return s
}

func (s *Syndic) settle(b *binder, o LoadOptions) {
	m := s.Local
	text := func(name, def string) string {
		if v, ok := m.Raw.Get(name).Text(); ok && v != "" {
			return v
		}
		return def
	}
	s.SockDir, s.CacheDir, s.Interface, s.RetPort, s.LogLevel = m.SockDir, m.CacheDir, m.ClientHost(), m.RetPort, m.LogLevel
	s.User = text("syndic_user", m.User)
	s.PIDFile = underRoot(m.RootDir, text("syndic_pidfile", "/var/run/salt-syndic.pid"))
	s.LogFile = text("syndic_log_file", "/var/log/salt/syndic")
	if !isURL(s.LogFile) {
		s.LogFile = underRoot(m.RootDir, s.LogFile)
	}
	s.MetricsAddress = text("saltern_syndic_metrics_address", "")
	s.Failover, s.Mode = text("syndic_failover", "random"), text("syndic_mode", "sync")
	if s.Failover != "random" {
		s.Failover = "ordered"
	}
	s.ForwardAllEvents = truthOr(m.Raw.Get("syndic_forward_all_events"), false)
	s.EventForwardTimeout = s.duration("syndic_event_forward_timeout", 500*time.Millisecond)
	s.JIDForwardCacheHWM = s.number("syndic_jid_forward_cache_hwm", 100)
	s.StandbyAfter = s.duration("saltern_standby_after", 30*time.Second)
	s.ReplayMaxAge = s.duration("saltern_replay_max_age", time.Minute)
	s.ReplayAll = text("saltern_replay_users", "root") == "all"
	s.LocalReturns = text("saltern_local_returns", "failover")
	s.OutboxItems = int64(s.number("saltern_outbox_max", 1_000_000))
	s.OutboxBytes = int64(s.number("saltern_outbox_max_bytes", 1<<30))
	s.OutboxAge = s.duration("saltern_outbox_max_age", 7*24*time.Hour)
	s.RelayPrefix = text("saltern_relay_prefix", "saltern:publications:")
	s.HashType = strings.ToLower(s.HashType)
	if v, ok := s.Raw.Get("syndic_finger").Text(); ok && v != "" {
		s.MasterFinger = v
	}
	s.settleIdentity(b, o)
	s.settleUpstreams(b.report)
	s.settleRelay()
}

// settleRelay reads saltern_relay: every key has to be an entry of syndic_master.
func (s *Syndic) settleRelay() {
	v := s.Local.Raw.Get("saltern_relay")
	if v == nil || v.Data == nil {
		return
	}
	fault := func(at *Value, format string, args ...any) {
		s.faults = append(s.faults, newFault("saltern_relay", false, at, format, args...))
	}
	if v.Map() == nil {
		fault(v, "must be a map of entries of syndic_master to names of streams")
		return
	}
	s.Relay = map[string]string{}
	for k, one := range v.Map().All() {
		entry := fmt.Sprint(k)
		name, ok := one.Text()
		if !slices.ContainsFunc(s.Upstreams, func(u Upstream) bool { return u.Entry == entry }) {
			fault(one, "'%s' is no entry of syndic_master", entry)
		} else if !ok || !streamName(name) {
			fault(one, "stream of '%s': a name must be 1 to 200 visible ASCII characters", entry)
		}
		s.Relay[entry] = name
	}
}

// settleIdentity takes id and key directory from the minion file, no suffix on the id. Without
// root_dir of its own the minion file lives under the master file's.
func (s *Syndic) settleIdentity(b *binder, o LoadOptions) {
	if !s.minionRaw.Has("root_dir") {
		s.RootDir = s.Local.RootDir
	}
	s.RootDir = absolute(s.RootDir)
	if s.RootDir != s.Local.RootDir {
		b.report.add(slog.LevelWarn, "root_dir", s.minionRaw.Get("root_dir"),
			"Option 'root_dir' differs between the minion file (%s) and the master file (%s); each file's paths follow its own", s.RootDir, s.Local.RootDir)
	}
	applyRoot(s, InMinion, s.RootDir, s.minionRaw, b.report)
	if s.ID == "" {
		s.ID = minionID(s.RootDir, s.minionRaw, o)
	}
	s.ID = appendDomain(s.ID, s.AppendDomain)
}

func truthOr(v *Value, def bool) bool {
	if v == nil {
		return def
	}
	return truth(v)
}

// duration reads an option of the master file in its unit, faulting what is not one.
func (s *Syndic) duration(name string, def time.Duration) time.Duration {
	v := s.Local.Raw.Get(name)
	if v == nil || v.Data == nil {
		return def
	}
	d, err := asDuration(v, Seconds)
	if err != nil {
		s.faults = append(s.faults, newFault(name, false, v, "%v", err))
		return def
	}
	return d
}

func (s *Syndic) number(name string, def int) int {
	v := s.Local.Raw.Get(name)
	if v == nil || v.Data == nil {
		return def
	}
	n, err := asInt(v, tableIndex()[InMaster][name])
	if err == nil && n < 0 {
		err = errors.New("must not be negative")
	}
	if err != nil {
		s.faults = append(s.faults, newFault(name, false, v, "%v", err))
		return def
	}
	return int(n)
}

// settleUpstreams reads syndic_master. An entry's own port wins over syndic_master_port, that over
// master_port of either file.
func (s *Syndic) settleUpstreams(report *Report) {
	port := defaultRetPort
	for _, name := range []string{"master_port", "syndic_master_port"} {
		if s.Raw.Has(name) {
			port = s.port(name, port)
		}
	}
	publish := 0
	switch {
	case s.Raw.Has("syndic_master_publish_port"):
		publish = s.port("syndic_master_publish_port", 0)
	case s.minionRaw.Has("publish_port"):
		// Stock's only way to name another publish port; the master file's option is the local one's.
		publish = s.port("publish_port", 0)
	}
	v := s.Raw.Get("syndic_master")
	if v == nil {
		v = &Value{Data: unsetSyndicMaster}
	}
	entries, ok := asStrings(v)
	if !ok {
		s.faults = append(s.faults, newFault("syndic_master", false, v, "must be a host or a list of hosts"))
	}
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		host, own, err := splitHostPort(entry)
		if err != nil {
			s.faults = append(s.faults, newFault("syndic_master", false, v, "entry %q: %v", entry, err))
			continue
		}
		up := Upstream{Host: host, Port: port, PublishPort: publish, Entry: entry}
		if own != 0 {
			up.Port = own
		}
		if slices.ContainsFunc(s.Upstreams, func(u Upstream) bool { return u.Host == up.Host && u.Port == up.Port }) {
			report.add(slog.LevelWarn, "syndic_master", v, "Option 'syndic_master' lists %s twice", entry)
			continue
		}
		s.Upstreams = append(s.Upstreams, up)
	}
}

// port reads a port from the merged tree.
func (s *Syndic) port(name string, def int) int {
	v := s.Raw.Get(name)
	if v.Data == nil {
		return def
	}
	n, err := asInt(v, &Option{Name: name, Min: 1, Max: maxPort})
	if err != nil {
		s.faults = append(s.faults, newFault(name, false, v, "%v", err))
		return def
	}
	return int(n)
}

// splitHostPort takes host, host:port, an address, [v6] and [v6]:port. port is 0 when absent.
func splitHostPort(entry string) (host string, port int, err error) {
	bare := entry
	if strings.HasPrefix(entry, "[") && strings.HasSuffix(entry, "]") {
		bare = entry[1 : len(entry)-1]
	}
	if net.ParseIP(bare) != nil {
		return bare, 0, nil
	}
	if !strings.Contains(entry, ":") {
		return entry, 0, nil
	}
	host, text, err := net.SplitHostPort(entry)
	if err != nil {
		return "", 0, errors.New("is not host, host:port or [address]:port")
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > maxPort {
		return "", 0, fmt.Errorf("%q is not a port between 1 and %d", text, maxPort)
	}
	if host == "" {
		return "", 0, errors.New("has no host")
	}
	return host, port, nil
}

// Validate joins every reason not to start. Of the master file only what a syndic uses counts: an
// option that stops the master beside it does not stop the syndic.
func (s *Syndic) Validate() error {
	faults := slices.Clone(s.faults)
	fault := func(name, format string, args ...any) {
		faults = append(faults, newFault(name, false, s.Raw.Get(name), format, args...))
	}
	switch {
	case !s.Raw.Has("syndic_master"):
		fault("syndic_master", "is not set: name the master of masters, or a list of them, in the master file")
	case len(s.Upstreams) == 0 && len(s.faults) == 0:
		fault("syndic_master", "names no host")
	}
	oneOf := func(name, got string, allowed ...string) {
		if !slices.Contains(allowed, got) {
			fault(name, "'%s' is not one of %s", got, strings.Join(allowed, ", "))
		}
	}
	oneOf("encryption_algorithm", s.EncryptionAlgorithm, "OAEP-SHA1", "OAEP-SHA224")
	oneOf("signing_algorithm", s.SigningAlgorithm, "PKCS1v15-SHA1", "PKCS1v15-SHA224")
	oneOf("syndic_mode", s.Mode, "sync", "cluster")
	oneOf("saltern_local_returns", s.LocalReturns, "failover", "all")
	oneOf("log_level", s.LogLevel, logLevels...)
	if !validAddress(s.MetricsAddress) {
		fault("saltern_syndic_metrics_address", "'%s' is not host:port", s.MetricsAddress)
	}
	if t, ok := s.Raw.Get("transport").Text(); ok && t != "zeromq" {
		fault("transport", "only zeromq is supported, not '%s'", t)
	}
	if len(s.Relay) > 0 {
		s.Local.Redis.faults(fault)
		if v := s.Raw.Get("redis.cluster_mode"); v != nil && truth(v) {
			fault("redis.cluster_mode", "Redis Cluster is not supported: name one server")
		}
	}
	for _, f := range s.Local.faults {
		var ft *Fault
		if errors.As(f, &ft) && slices.Contains([]string{"ret_port", "loop_interval", "timeout"}, ft.Option) {
			faults = append(faults, f)
		}
	}
	return errors.Join(faults...)
}

// MinionKeyPath is where the key pair the syndic signs in with lives.
func (s *Syndic) MinionKeyPath() string { return filepath.Join(s.PKIDir, "minion.pem") }

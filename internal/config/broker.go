package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Broker is the configuration of a broker, from the broker file alone (spec: relay-and-broker §2). Fields carry the
// names of their options in the `salt` tag. A loaded Broker must not be modified; a reload makes a new one.
type Broker struct {
	ConfFile string           `salt:"conf_file"` // the file that was asked for
	Masters  []BrokerUpstream // option master, in order of preference, without duplicates

	Interface         string `salt:"interface"` // bind address of both ports, no brackets
	IPv6              bool   `salt:"ipv6"`
	PublishPort       int    `salt:"publish_port"`
	RetPort           int    `salt:"ret_port"`
	ZMQBacklog        int    `salt:"zmq_backlog"`
	PubHWM            int    `salt:"pub_hwm"`             // publications queued per subscriber
	TCPKeepalive      bool   `salt:"tcp_keepalive"`       // of both sides
	TCPKeepaliveIdle  int    `salt:"tcp_keepalive_idle"`  // seconds; -1 = system default
	TCPKeepaliveCnt   int    `salt:"tcp_keepalive_cnt"`   // probes; -1 = system default
	TCPKeepaliveIntvl int    `salt:"tcp_keepalive_intvl"` // seconds; -1 = system default
	MaxOpenFiles      int    `salt:"max_open_files"`

	User      string `salt:"user"`
	RootDir   string `salt:"root_dir"`
	PIDFile   string `salt:"pidfile"`
	CacheDir  string `salt:"cachedir"`
	SockDir   string `salt:"sock_dir"`
	Transport string `salt:"transport"` // always "zeromq" after Validate

	LogFile           string `salt:"log_file"` // path or syslog URL
	LogLevel          string `salt:"log_level"`
	LogLevelLogFile   string `salt:"log_level_logfile"` // never empty after loading
	LogFormat         string `salt:"log_format"`
	LogDateFmt        string `salt:"log_datefmt"`
	LogDateFmtLogFile string `salt:"log_datefmt_logfile"`
	LogFmtConsole     string `salt:"log_fmt_console"`
	LogFmtLogFile     string `salt:"log_fmt_logfile"`

	OnUpstreamGap     string        `salt:"on_upstream_gap"`             // "none" or "bounce"
	MasterPublishPort int           `salt:"saltern_master_publish_port"` // 0 = PublishPort
	MasterRetPort     int           `salt:"saltern_master_ret_port"`     // 0 = RetPort
	FailoverAfter     time.Duration `salt:"saltern_failover_after"`      // 0 = at once
	Failback          time.Duration `salt:"saltern_failback"`            // 0 = never
	ConnectTimeout    time.Duration `salt:"saltern_connect_timeout"`
	Heartbeat         time.Duration `salt:"saltern_heartbeat"` // 0 = none
	HeartbeatTimeout  time.Duration `salt:"saltern_heartbeat_timeout"`
	MinionHeartbeat   time.Duration `salt:"saltern_minion_heartbeat"` // 0 = none
	RequestHold       time.Duration `salt:"saltern_request_hold"`
	RequestForget     time.Duration `salt:"saltern_request_forget"`
	RequestsMax       int           `salt:"saltern_requests_max"`
	RequestsMaxBytes  int64         `salt:"saltern_requests_max_bytes"`
	PeerRequestsMax   int           `salt:"saltern_peer_requests_max"`
	SubscriberBytes   int64         `salt:"saltern_subscriber_bytes"`
	TopicsMax         int           `salt:"saltern_topics_max"`
	ConnectionsMax    int           `salt:"saltern_connections_max"` // per port; 0 = no bound of its own
	ContactsMax       int           `salt:"saltern_contacts_max"`
	MaxMsgBytes       int64         `salt:"saltern_max_msg_bytes"`
	DrainTimeout      time.Duration `salt:"saltern_drain_timeout"`
	MetricsAddress    string        `salt:"saltern_metrics_address"` // host:port, "" = no TCP listener

	// Raw is every option as the files gave it.
	Raw *Map

	faults []error
}

// BrokerUpstream is one master that a broker may forward to.
type BrokerUpstream struct {
	Host        string // name or address, no brackets
	RetPort     int
	PublishPort int
	Entry       string // "host" as written, with the ports when they are not the common ones: its name in logs and metrics
}

// LoadBroker reads the broker file of a directory with its includes and checks the result; errors are as for
// LoadMaster.
func LoadBroker(o LoadOptions) (*Broker, *Report, error) {
	b, report, err := loadBroker(o)
	if err != nil {
		return nil, report, err
	}
	return b, report, b.Validate()
}

// LoadBrokerPaths is LoadBroker for tools that only want to find the daemon: faults do not stop them.
func LoadBrokerPaths(o LoadOptions) (*Broker, error) {
	b, _, err := loadBroker(o)
	return b, err
}

// DefaultBroker is the configuration without any file. Masters is empty.
func DefaultBroker() *Broker {
	cfg := &Broker{Raw: &Map{}}
	b := &binder{in: InBroker, report: &Report{}}
	b.bind(cfg, nil)
	cfg.settle(b)
	return cfg
}

func loadBroker(o LoadOptions) (*Broker, *Report, error) {
	report := &Report{}
	path := o.mainFile("broker", "SALT_BROKER_CONFIG")
	tree, err := (&loader{options: o, report: report}).main(path, "broker.d/*.conf")
	if err == nil {
		err = override(tree, o.Overrides)
	}
	if err != nil {
		return nil, report, err
	}
	b := &binder{in: InBroker, report: report}
	cfg := &Broker{Raw: tree}
	b.bind(cfg, tree)
	cfg.ConfFile = path
	cfg.settle(b)
	b.notices(tree)
	cfg.faults = append(cfg.faults, b.faults...)
	return cfg, report, nil
}

func (c *Broker) settle(b *binder) {
	c.Interface = strings.TrimSuffix(strings.TrimPrefix(c.Interface, "["), "]")
	if c.IPv6 && c.Interface == "0.0.0.0" {
		c.Interface = "::"
	}
	if c.MasterPublishPort == 0 {
		c.MasterPublishPort = c.PublishPort
	}
	if c.MasterRetPort == 0 {
		c.MasterRetPort = c.RetPort
	}
	if c.LogLevelLogFile == "" {
		c.LogLevelLogFile = c.LogLevel
	}
	c.LogLevel, c.LogLevelLogFile = strings.ToLower(c.LogLevel), strings.ToLower(c.LogLevelLogFile)
	if !c.Raw.Has("log_fmt_logfile") && c.Raw.Has("log_fmt_console") {
		c.LogFmtLogFile = c.LogFmtConsole // as the master does
	}
	c.RootDir = absolute(c.RootDir)
	applyRoot(c, InBroker, c.RootDir, c.Raw, b.report)
	c.settleMasters(b.report)
}

// settleMasters reads the option master: a host, or a list of hosts and maps.
func (c *Broker) settleMasters(report *Report) {
	v := c.Raw.Get("master")
	if v == nil || v.Data == nil {
		return
	}
	entries := v.List()
	if entries == nil {
		entries = []*Value{v}
	}
	for _, e := range entries {
		up, err := c.upstream(e)
		if err != nil {
			c.faults = append(c.faults, newFault("master", false, e, "%v", err))
			continue
		}
		same := func(u BrokerUpstream) bool {
			return u.Host == up.Host && u.RetPort == up.RetPort && u.PublishPort == up.PublishPort
		}
		if slices.ContainsFunc(c.Masters, same) {
			report.add(slog.LevelWarn, "master", e, "Option 'master' lists %s twice", up.Entry)
			continue
		}
		if len(c.Masters) == maxBrokerMasters {
			c.faults = append(c.faults, newFault("master", false, e, "lists more than %d masters", maxBrokerMasters))
			return
		}
		c.Masters = append(c.Masters, up)
	}
}

// maxBrokerMasters is how many upstreams the metrics can tell apart.
const maxBrokerMasters = 64

func (c *Broker) upstream(v *Value) (BrokerUpstream, error) {
	up := BrokerUpstream{RetPort: c.MasterRetPort, PublishPort: c.MasterPublishPort}
	host := v
	if m := v.Map(); m != nil {
		host = m.Get("host")
		for k, e := range m.All() {
			field := map[any]*int{"ret_port": &up.RetPort, "publish_port": &up.PublishPort}[k]
			switch {
			case k == "host":
			case field == nil:
				return up, fmt.Errorf("an entry has host, ret_port and publish_port, not %v", k)
			default:
				n, err := asInt(e, &Option{Min: 1, Max: maxPort})
				if err != nil {
					return up, fmt.Errorf("%v %w", k, err)
				}
				*field = int(n)
			}
		}
	}
	text, ok := host.Text()
	text = strings.TrimSpace(text)
	if !ok || text == "" || strings.ContainsAny(text, " \t\r\n/") {
		return up, errors.New("an entry is a host, host:ret_port, or a map with host, ret_port and publish_port")
	}
	name, port, err := splitHostPort(text)
	if err != nil {
		return up, fmt.Errorf("entry %q: %w", cut(text), err)
	}
	if up.Host = name; port != 0 {
		up.RetPort = port
	}
	up.Entry = name
	if up.RetPort != c.MasterRetPort || up.PublishPort != c.MasterPublishPort {
		up.Entry = fmt.Sprintf("%s:%d", net.JoinHostPort(name, fmt.Sprint(up.RetPort)), up.PublishPort)
	}
	return up, nil
}

// Validate joins every reason not to start.
func (c *Broker) Validate() error {
	faults := slices.Clone(c.faults)
	fault := func(name, format string, args ...any) {
		faults = append(faults, newFault(name, false, c.Raw.Get(name), format, args...))
	}
	if len(c.Masters) == 0 && len(c.faults) == 0 {
		fault("master", "is not set: name the master to forward to, or a list of them")
	}
	oneOf := func(name, got string, allowed ...string) {
		if !slices.Contains(allowed, got) {
			fault(name, "'%s' is not one of %s", cut(got), strings.Join(allowed, ", "))
		}
	}
	if c.Transport != "zeromq" {
		fault("transport", "only zeromq is supported, not '%s'", cut(c.Transport))
	}
	oneOf("on_upstream_gap", c.OnUpstreamGap, "none", "bounce")
	oneOf("log_format", c.LogFormat, "salt", "json")
	oneOf("log_level", c.LogLevel, logLevels...)
	oneOf("log_level_logfile", c.LogLevelLogFile, logLevels...)
	if c.PublishPort == c.RetPort && c.PublishPort != 0 {
		fault("ret_port", "is the same port as publish_port, %d", c.RetPort)
	}
	for _, name := range []string{"tcp_keepalive_idle", "tcp_keepalive_cnt", "tcp_keepalive_intvl"} {
		if v := c.Raw.Get(name); v != nil {
			if f, err := asNumber(v); err == nil && f < -1 {
				fault(name, "must be -1 (system default) or more")
			}
		}
	}
	if c.ConnectTimeout < 10*time.Millisecond {
		fault("saltern_connect_timeout", "must be at least 0.01 seconds")
	}
	if c.Heartbeat > 0 && c.HeartbeatTimeout < c.Heartbeat {
		fault("saltern_heartbeat_timeout", "must not be shorter than saltern_heartbeat")
	}
	if c.PubHWM < 1 {
		fault("pub_hwm", "must be at least 1: a broker has no queue without a bound")
	}
	if !validAddress(c.MetricsAddress) {
		fault("saltern_metrics_address", "'%s' is not host:port", cut(c.MetricsAddress))
	}
	return errors.Join(faults...)
}

// ReloadedBroker makes the snapshot a running broker uses after SIGHUP: options that may change while it runs come
// from next, all others from cur; needRestart names those that differ. Both arguments stay as they are.
func ReloadedBroker(cur, next *Broker) (merged *Broker, needRestart []string) {
	out := *cur
	rc, rn, ro := reflect.ValueOf(cur).Elem(), reflect.ValueOf(next).Elem(), reflect.ValueOf(&out).Elem()
	for i := range rc.NumField() {
		name := rc.Type().Field(i).Tag.Get("salt")
		if name == "" || sameField(rc.Field(i), rn.Field(i)) {
			continue
		}
		if tableIndex()[InBroker][name].Reload == Live {
			ro.Field(i).Set(rn.Field(i))
		} else {
			needRestart = append(needRestart, name)
		}
	}
	out.Masters, out.Raw = next.Masters, next.Raw
	return &out, needRestart
}

package config

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Relay is the configuration of a relay: taps beside masters of masters, outlets beside syndics, and the Redis between
// them (spec: relay-and-broker §3.3). A loaded Relay must not be modified.
type Relay struct {
	ConfFile       string
	ID             string        `salt:"id"` // in entries and reports
	User           string        `salt:"user"`
	RootDir        string        `salt:"root_dir"`
	CacheDir       string        `salt:"cachedir"`  // buffers and positions
	SockDir        string        `salt:"sock_dir"`  // status socket
	EventDir       string        `salt:"event_dir"` // event bus of the local master, "" = none
	PIDFile        string        `salt:"pidfile"`
	LogFile        string        `salt:"log_file"`
	LogLevel       string        `salt:"log_level"`
	LogLevelFile   string        `salt:"log_level_logfile"`
	LogFormat      string        `salt:"log_format"`
	MetricsAddress string        `salt:"metrics_address"`
	StreamPrefix   string        `salt:"stream_prefix"`
	StreamMax      int           `salt:"stream_max"`     // entries, roughly
	StreamKeep     time.Duration `salt:"stream_keep"`    // age at which entries may go
	BufferMax      int           `salt:"buffer_max"`     // entries on disk while Redis is away, per tap
	BufferBytes    int           `salt:"buffer_bytes"`   // the same in bytes
	ReplayMaxAge   time.Duration `salt:"replay_max_age"` // older entries are reported, not delivered
	MaxMsgBytes    int64         `salt:"max_msg_bytes"`
	IPv6           bool          `salt:"ipv6"`
	TapList        *Value        `salt:"taps"`
	OutletList     *Value        `salt:"outlets"`

	Redis   Redis
	Taps    []RelayTap
	Outlets []RelayOutlet
	Raw     *Map

	faults []error
}

// RelayTap writes the publications of one master of masters into a stream.
type RelayTap struct {
	Name        string // of the stream, behind the prefix
	Host        string // the master of masters
	PublishPort int

	// A tap with a directory opens what it hears, with the minion's key that is there. The master has to accept the key.
	PKIDir  string // "" = it opens nothing
	ID      string // the minion's id of that key
	RetPort int    // where it signs in
}

// Outlet modes.
const (
	OutletStream = "stream" // the stream alone
	OutletBoth   = "both"   // the stream and the direct link, whichever brings a publication first
)

// RelayOutlet serves the publications of one stream, and the requests of its master of masters, to a syndic.
type RelayOutlet struct {
	Name              string // of the stream, behind the prefix
	Host              string // the master of masters
	MasterPublishPort int    // of the direct link
	MasterRetPort     int
	Interface         string // where the syndic connects
	PublishPort       int
	RetPort           int
	Mode              string
}

// LoadRelay reads the file `relay` of the configuration directory and its includes, and checks the result; errors are
// as for LoadMaster.
func LoadRelay(o LoadOptions) (*Relay, *Report, error) {
	report := &Report{}
	path := o.mainFile("relay", "SALT_RELAY_CONFIG")
	l := &loader{options: o, report: report}
	tree, err := l.main(path, "relay.d/*.conf")
	if err != nil {
		return nil, report, err
	}
	if err := override(tree, o.Overrides); err != nil {
		return nil, report, err
	}
	r := &Relay{Raw: tree, ConfFile: path}
	b := &binder{in: InRelay, report: report}
	r.bind(b, tree, o)
	b.notices(tree)
	return r, report, r.Validate()
}

// DefaultRelay is the configuration without any file: no taps, no outlets, no ID.
func DefaultRelay() *Relay {
	r := &Relay{Raw: &Map{}}
	r.bind(&binder{in: InRelay, report: &Report{}}, nil, LoadOptions{Hostname: func() string { return "" }})
	r.ID = ""
	return r
}

func (r *Relay) bind(b *binder, tree *Map, o LoadOptions) {
	b.bind(r, tree)
	b.bind(&r.Redis, tree)
	r.faults = b.faults
	r.LogLevel = strings.ToLower(r.LogLevel)
	if r.LogLevelFile = strings.ToLower(r.LogLevelFile); r.LogLevelFile == "" {
		r.LogLevelFile = r.LogLevel
	}
	r.RootDir = absolute(r.RootDir)
	applyRoot(r, InRelay, r.RootDir, r.Raw, b.report)
	if r.ID == "" {
		r.ID = minionID(r.RootDir, r.Raw, o)
	}
	for i, e := range r.entries("taps", r.TapList) {
		r.addTap(i, e)
	}
	for i, e := range r.entries("outlets", r.OutletList) {
		r.addOutlet(i, e)
	}
}

// entries are the maps of a list.
func (r *Relay) entries(name string, v *Value) []*relayEntry {
	if v == nil || v.Data == nil {
		return nil
	}
	list := v.List()
	if list == nil {
		r.fault(name, v, "must be a list of maps")
		return nil
	}
	var out []*relayEntry
	for i, one := range list {
		if one.Map() == nil {
			r.fault(name, one, "entry %d must be a map", i+1)
			continue
		}
		out = append(out, &relayEntry{r: r, list: name, number: i + 1, m: one.Map(), known: map[string]bool{}})
	}
	return out
}

func (r *Relay) fault(name string, v *Value, format string, args ...any) {
	r.faults = append(r.faults, newFault(name, false, v, format, args...))
}

// relayEntry reads one tap or outlet.
type relayEntry struct {
	r      *Relay
	list   string
	number int
	m      *Map
	known  map[string]bool
}

func (e *relayEntry) text(key, def string) string {
	e.known[key] = true
	v := e.m.Get(key)
	if v == nil || v.Data == nil {
		return def
	}
	s, ok := v.Text()
	if !ok {
		e.r.fault(e.list, v, "entry %d: %s must be text", e.number, key)
	}
	return s
}

func (e *relayEntry) port(key string, def int) int {
	e.known[key] = true
	v := e.m.Get(key)
	if v == nil || v.Data == nil {
		return def
	}
	n, err := asInt(v, &Option{Name: key, Min: 0, Max: maxPort})
	if err != nil {
		e.r.fault(e.list, v, "entry %d: %s %v", e.number, key, err)
	}
	return int(n)
}

// finish faults what was not read: a misspelt key must not be lost in silence.
func (e *relayEntry) finish() {
	for k, v := range e.m.All() {
		if name, _ := k.(string); !e.known[name] {
			e.r.fault(e.list, v, "entry %d: there is no key %v", e.number, k)
		}
	}
}

// streamName reports whether a stream may be called that.
func streamName(name string) bool {
	return name != "" && len(name) <= 200 && !strings.ContainsFunc(name, func(c rune) bool { return c < '!' || c > '~' })
}

func (e *relayEntry) hostAndName() (host, name string) {
	host, name = e.text("master", ""), e.text("name", "")
	if host == "" {
		e.r.fault(e.list, nil, "entry %d names no master", e.number)
	}
	if name == "" {
		name = host
	}
	if !streamName(name) {
		e.r.fault(e.list, nil, "entry %d: name must be 1 to 200 visible ASCII characters", e.number)
	}
	return host, name
}

func (r *Relay) addTap(_ int, e *relayEntry) {
	t := RelayTap{
		PublishPort: e.port("publish_port", defaultPublishPort), RetPort: e.port("ret_port", defaultRetPort), PKIDir: e.text("pki_dir", ""), ID: e.text("minion_id", r.ID),
	}
	t.Host, t.Name = e.hostAndName()
	e.finish()
	if t.PKIDir != "" && !filepath.IsAbs(t.PKIDir) {
		r.fault("taps", nil, "entry %d: pki_dir must be an absolute path", e.number)
	}
	if slices.ContainsFunc(r.Taps, func(o RelayTap) bool { return o.Name == t.Name }) {
		r.fault("taps", nil, "entry %d: the name %s is there twice", e.number, t.Name)
	}
	r.Taps = append(r.Taps, t)
}

const defaultPublishPort = 4505

func (r *Relay) addOutlet(i int, e *relayEntry) {
	out := RelayOutlet{
		MasterPublishPort: e.port("master_publish_port", defaultPublishPort), MasterRetPort: e.port("master_ret_port", defaultRetPort),
		Interface:   e.text("interface", "127.0.0.1"),
		PublishPort: e.port("publish_port", 4515+10*i), RetPort: e.port("ret_port", 4516+10*i), Mode: e.text("mode", OutletBoth),
	}
	out.Host, out.Name = e.hostAndName()
	e.finish()
	if out.Mode != OutletBoth && out.Mode != OutletStream {
		r.fault("outlets", nil, "entry %d: mode must be both or stream, not %q", e.number, out.Mode)
	}
	if out.PublishPort == out.RetPort && out.RetPort != 0 {
		r.fault("outlets", nil, "entry %d: ret_port is the same as publish_port", e.number)
	}
	if slices.ContainsFunc(r.Outlets, func(o RelayOutlet) bool { return o.Name == out.Name }) {
		r.fault("outlets", nil, "entry %d: the name %s is there twice", e.number, out.Name)
	}
	r.Outlets = append(r.Outlets, out)
}

// StreamKey is the Redis key of a stream.
func (r *Relay) StreamKey(name string) string { return r.StreamPrefix + name }

// Validate joins every reason not to start; nil when there is none.
func (r *Relay) Validate() error {
	faults := slices.Clone(r.faults)
	fault := func(name, format string, args ...any) {
		faults = append(faults, newFault(name, false, r.Raw.Get(name), format, args...))
	}
	if len(r.Taps)+len(r.Outlets) == 0 {
		fault("taps", "neither taps nor outlets are named: there is nothing to do")
	}
	oneOf := func(name, got string, allowed ...string) {
		if !slices.Contains(allowed, got) {
			fault(name, "'%s' is not one of %s", got, strings.Join(allowed, ", "))
		}
	}
	oneOf("log_format", r.LogFormat, "salt", "json")
	oneOf("log_level", r.LogLevel, logLevels...)
	oneOf("log_level_logfile", r.LogLevelFile, logLevels...)
	if !validAddress(r.MetricsAddress) {
		fault("metrics_address", "'%s' is not host:port", r.MetricsAddress)
	}
	if p := filepath.Join(r.SockDir, "saltern-relay-status.sock"); len(p) > maxSocketPath {
		fault("sock_dir", "is too long: the socket %s has %d characters, a Unix socket at most %d", p, len(p), maxSocketPath)
	}
	r.Redis.faults(fault)
	return errors.Join(faults...)
}

// LogSummary writes what the relay is going to do as one line each.
func (r *Relay) LogSummary(log *slog.Logger) {
	for _, t := range r.Taps {
		log.Info("Tap", "master", fmt.Sprintf("%s:%d", t.Host, t.PublishPort), "opens", t.PKIDir != "", "stream", r.StreamKey(t.Name), "redis", r.Redis.String())
	}
	for _, o := range r.Outlets {
		log.Info("Outlet", "stream", r.StreamKey(o.Name), "master", o.Host, "mode", o.Mode, "redis", r.Redis.String())
	}
}

// relayOptions are the rows of the relay's file.
func relayOptions() []Option {
	rows := []Option{
		{Name: "taps", Type: List, Default: "[]", About: "masters of masters to listen to: maps with master, name (default master), publish_port (4505); and to open what they hear pki_dir (of an accepted minion key), minion_id (default id), ret_port (4506)"},
		{Name: "outlets", Type: List, Default: "[]", About: "streams to serve to syndics: maps with master, name (default master), master_publish_port (4505), master_ret_port (4506), interface (127.0.0.1), publish_port (4515), ret_port (4516), mode (both or stream)"},
		{Name: "id", Type: None | Str, Default: "''", About: "name in entries and reports; default the host's"},
		{Name: "user", Type: Str, Default: "root", About: "account to run as"},
		{Name: "root_dir", Type: Str, Default: "/", About: "directory that all paths are put under"},
		{Name: "cachedir", Type: Str, Default: "/var/cache/salt/relay", Path: UnderRoot, About: "buffers and positions"},
		{Name: "sock_dir", Type: Str, Default: "/var/run/salt/relay", Path: UnderRoot, About: "status socket"},
		{Name: "event_dir", Type: Str, Default: "/var/run/salt/master", Path: UnderRoot, About: "sock_dir of the local master, on whose bus saltern/relay/missed is fired; empty fires nothing"},
		{Name: "pidfile", Type: Str, Default: "/var/run/saltern-relay.pid", Path: UnderRoot, About: "file with the process id"},
		{Name: "log_file", Type: Str, Default: "/var/log/salt/relay", Path: UnderRootUnlessURL, About: "log file, or a syslog URL"},
		{Name: "log_level", Type: Str, Default: "warning", About: "console level"},
		{Name: "log_level_logfile", Type: None | Str, Default: "''", About: "log file's level; default log_level"},
		{Name: "log_format", Type: Str, Default: "salt", About: "salt or json"},
		{Name: "metrics_address", Type: Str, Default: "''", About: "host:port of the metrics page; empty offers it on the status socket only"},
		{Name: "stream_prefix", Type: Str, Default: "'saltern:publications:'", About: "Redis keys of streams are this and the name"},
		{Name: "stream_max", Type: Int, Default: "100000", Min: 100, Max: 1 << 30, About: "entries a stream keeps, roughly"},
		{Name: "stream_keep", Type: Float, Default: "86400", Unit: Seconds, About: "how long it keeps them at most"},
		{Name: "buffer_max", Type: Int, Default: "1000000", Min: 100, Max: 1 << 30, About: "publications a tap keeps on disk while Redis is away; beyond it the oldest are given up and counted"},
		{Name: "buffer_bytes", Type: Int, Default: "1073741824", Min: 1 << 20, Max: 1 << 40, About: "the same in bytes"},
		{Name: "replay_max_age", Type: Float, Default: "60", Unit: Seconds, About: "how old a publication may be that an outlet still delivers; older ones are reported"},
		{Name: "max_msg_bytes", Type: Int, Default: "104857600", Min: 1 << 16, Max: 1 << 31, About: "largest message the sockets take"},
		{Name: "ipv6", Type: Bool, Default: "false", About: "IPv6 sockets"},
	}
	for i := range rows {
		rows[i].In = InRelay
	}
	return append(rows, redisRows(InRelay, "127.0.0.1")...)
}

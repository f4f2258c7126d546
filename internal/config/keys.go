package config

import (
	"slices"
	"sync"
)

// Kind is the set of types an option may have; Any (zero) is unchecked.
type Kind uint8

// The types of stock Salt's own table. A number may also be written as a string of digits.
const (
	Str Kind = 1 << iota
	Int
	Float
	Bool
	List
	Dict
	None
	Any Kind = 0
)

// Verdict says what this release does with an option (spec: config-and-daemons §1).
type Verdict uint8

// Verdicts, with the letter of the specification.
const (
	// Honoured (H): the option works.
	Honoured Verdict = iota
	// Planned (S): known, its feature is not built; a notice when set to another value.
	Planned
	// Accepted (N): has no effect here by design; a notice when set to another value.
	Accepted
	// Silent (X): belongs to a part of stock Salt that is out of scope; named in one collected notice.
	Silent
	// Refused: ignoring it would open a hole, so setting it stops the start.
	Refused
)

// Reload says when a changed value takes effect.
type Reload uint8

// Reload classes.
const (
	Restart Reload = iota // only after a restart
	Live                  // at SIGHUP
)

// Unit is what a number of a duration option counts.
type Unit uint8

// Units.
const (
	NoUnit Unit = iota
	Milliseconds
	Seconds
	Minutes
	Hours
)

// PathRule says how root_dir changes a path option (spec: config-and-daemons §2.4).
type PathRule uint8

// Path rules.
const (
	NotPath            PathRule = iota
	UnderRoot                   // joined with root_dir, absolute or not
	UnderRootUnlessURL          // the same, but file://, udp:// and tcp:// stay
)

// Files says which of the two files an option is read from.
type Files uint8

// Files.
const (
	InMaster Files = iota // the master file (and the syndic's half that comes from it)
	InMinion              // the minion file, read by the syndic only
	InBroker              // the broker file, read by the broker only
	InRelay               // the relay file
)

// Option is one row of the option table: everything the daemons, the documentation and the config
// check need to know about one option.
type Option struct {
	Name     string
	Type     Kind
	Default  string // YAML text; "" = no default entry
	Verdict  Verdict
	Reload   Reload
	Unit     Unit
	Path     PathRule
	In       Files
	Strict   bool  // boolean options that only the YAML boolean true switches on
	Secret   bool  // the value never appears in a message
	Min, Max int64 // accepted range when Max > Min; outside is a fault
	About    string
}

var table = sync.OnceValue(func() []Option {
	t := slices.Concat(networkOptions, identityOptions, cryptoOptions, accessOptions, jobsOptions,
		maintenanceOptions, topologyOptions, loggingOptions, fileserverOptions, pillarOptions,
		extensionsOptions, displayOptions, bareOptions, salternOptions, masterRedisOptions(), minionOptions, minionRestOptions, brokerOptions, relayOptions())
	for i := range t {
		t[i].annotate()
	}
	return t
})

// Options returns every known option, in the order of the reference page. An option read from both
// files has one row per file.
func Options() []Option { return slices.Clone(table()) }

var tableIndex = sync.OnceValue(func() map[Files]map[string]*Option {
	idx := map[Files]map[string]*Option{InMaster: {}, InMinion: {}, InBroker: {}, InRelay: {}}
	t := table()
	for i := range t {
		idx[t[i].In][t[i].Name] = &t[i]
	}
	return idx
})

// Lookup finds the row of an option of the master file.
func Lookup(name string) (Option, bool) {
	if o := tableIndex()[InMaster][name]; o != nil {
		return *o, true
	}
	return Option{}, false
}

const maxPort = 65535

// ranges are the bounds that stop a start. 0 is a valid port only where a test or the system picks.
var ranges = map[string][2]int64{
	"publish_port": {0, maxPort}, "ret_port": {0, maxPort},
	"tcp_master_pub_port": {1, maxPort}, "tcp_master_pull_port": {1, maxPort},
	"tcp_master_publish_pull": {1, maxPort}, "tcp_master_workers": {1, maxPort},
	"syndic_master_port": {1, maxPort}, "master_port": {1, maxPort}, "syndic_master_publish_port": {1, maxPort},
	"keysize": {1024, 16384}, "minimum_auth_version": {0, 3}, "zmq_backlog": {0, 1 << 31}, "pub_hwm": {0, 1 << 31},
	"max_minions": {0, 1 << 31}, "max_event_size": {0, 1 << 40}, "saltern_max_msg_bytes": {1 << 16, 1 << 31},
	"max_open_files": {0, 1 << 31}, "ipc_write_buffer": {0, 1 << 40}, "file_buffer_size": {1, 1 << 30},
	"auth_mode": {0, 1 << 31}, "saltern_journal_max": {0, 1 << 24},
	"saltern_master_publish_port": {0, maxPort}, "saltern_master_ret_port": {0, maxPort},
	"saltern_requests_max": {1, 1 << 24}, "saltern_requests_max_bytes": {1 << 20, 1 << 40}, "saltern_peer_requests_max": {1, 1 << 16},
	"saltern_subscriber_bytes": {1 << 16, 1 << 40}, "saltern_topics_max": {2, 1 << 26}, "saltern_contacts_max": {0, 1 << 24},
	"saltern_connections_max": {0, 1 << 24},
}

// annotate fills in what follows from the name rather than being repeated in each row.
func (o *Option) annotate() {
	if r, ok := ranges[o.Name]; ok && o.Max == 0 {
		o.Min, o.Max = r[0], r[1]
	}
	switch o.Name {
	case "auto_accept", "open_mode":
		o.Strict = true
	case "key_pass", "signing_key_pass", "cluster_key_pass", "gitfs_password", "gitfs_passphrase",
		"git_pillar_password", "git_pillar_passphrase", "ssh_passwd", "ssh_priv_passwd",
		"winrepo_password", "winrepo_passphrase", "saltern_key_store":
		o.Secret = true
	}
}

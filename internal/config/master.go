package config

import "time"

// Master is the configuration of one master, and of the client tools beside it. Each field carries
// the name of its option in the `salt` tag; defaults, types and units are rows of the option table
// (see Options). Durations are already converted from the option's unit. A loaded Master must not be
// modified; a reload makes a new one (spec: config-and-daemons §4).
type Master struct {
	// Network and transport.

	Interface          string `salt:"interface"`            // bind address of both ports, no brackets
	IPv6               bool   `salt:"ipv6"`                 // true: IPv6 option on the sockets
	PublishPort        int    `salt:"publish_port"`         // PUB side, 4505
	RetPort            int    `salt:"ret_port"`             // request side, 4506
	Transport          string `salt:"transport"`            // always "zeromq" after Validate
	ZMQBacklog         int    `salt:"zmq_backlog"`          // listen backlog of the request socket
	PubHWM             int    `salt:"pub_hwm"`              // messages per subscriber
	ZMQFiltering       bool   `salt:"zmq_filtering"`        // per-minion topics
	ZMQMonitor         bool   `salt:"zmq_monitor"`          // log socket monitor events
	TCPKeepalive       bool   `salt:"tcp_keepalive"`        // socket keepalive on or off
	TCPKeepaliveIdle   int    `salt:"tcp_keepalive_idle"`   // seconds; -1 = system default
	TCPKeepaliveCnt    int    `salt:"tcp_keepalive_cnt"`    // probes; -1 = system default
	TCPKeepaliveIntvl  int    `salt:"tcp_keepalive_intvl"`  // seconds; -1 = system default
	MaxOpenFiles       int    `salt:"max_open_files"`       // wanted soft descriptor limit
	WorkerThreads      int    `salt:"worker_threads"`       // accepted for stock's sake, not used
	IPCMode            string `salt:"ipc_mode"`             // "ipc" or "tcp"
	IPCWriteBuffer     int64  `salt:"ipc_write_buffer"`     // bytes queued per event subscriber; 0 = the built-in bound
	TCPMasterPubPort   int    `salt:"tcp_master_pub_port"`  // event bus PUB with ipc_mode tcp
	TCPMasterPullPort  int    `salt:"tcp_master_pull_port"` // event bus PULL with ipc_mode tcp
	TCPMasterPublish   int    `salt:"tcp_master_publish_pull"`
	TCPMasterWorkers   int    `salt:"tcp_master_workers"`
	MaxEventSize       int    `salt:"max_event_size"`       // bytes of packed event data before trimming
	MinimumAuthVersion int    `salt:"minimum_auth_version"` // lowest protocol level served, 0 = all

	// Identity, user, paths. All paths are final: root_dir is applied (spec: config-and-daemons §2.4).

	ConfFile            string `salt:"conf_file"` // the main file that was asked for
	ID                  string `salt:"id"`        // includes the _master suffix when derived (spec §2.5)
	AppendDomain        string `salt:"append_domain"`
	User                string `salt:"user"` // account to drop to
	RootDir             string `salt:"root_dir"`
	PKIDir              string `salt:"pki_dir"`
	CacheDir            string `salt:"cachedir"`
	SockDir             string `salt:"sock_dir"`
	PIDFile             string `salt:"pidfile"`
	TokenDir            string `salt:"token_dir"`         // always CacheDir/tokens
	SyndicDir           string `salt:"syndic_dir"`        // always CacheDir/syndics
	SQLiteQueueDir      string `salt:"sqlite_queue_dir"`  // created, not used
	ExtensionModules    string `salt:"extension_modules"` // not used
	VerifyEnv           bool   `salt:"verify_env"`        // create directories and fix owners at start
	PermissivePKIAccess bool   `salt:"permissive_pki_access"`

	// Cryptography and keys.

	KeySize                   int           `salt:"keysize"`  // bits of new keys
	KeyPass                   string        `salt:"key_pass"` // secret
	SigningKeyPass            string        `salt:"signing_key_pass"`
	MasterSignPubKey          bool          `salt:"master_sign_pubkey"`
	MasterSignKeyName         string        `salt:"master_sign_key_name"`
	MasterPubKeySignature     string        `salt:"master_pubkey_signature"` // file name inside PKIDir
	MasterUsePubKeySignature  bool          `salt:"master_use_pubkey_signature"`
	SignPubMessages           bool          `salt:"sign_pub_messages"`
	PublishSigningAlgorithm   string        `salt:"publish_signing_algorithm"` // PKCS1v15-SHA1 or PKCS1v15-SHA224
	RequireMinionSignMessages bool          `salt:"require_minion_sign_messages"`
	DropMessagesSignatureFail bool          `salt:"drop_messages_signature_fail"`
	AuthMode                  int           `salt:"auth_mode"`
	OpenMode                  bool          `salt:"open_mode"`   // only the YAML boolean true counts
	AutoAccept                bool          `salt:"auto_accept"` // only the YAML boolean true counts
	AutosignFile              string        `salt:"autosign_file"`
	AutorejectFile            string        `salt:"autoreject_file"`
	AutosignGrainsDir         string        `salt:"autosign_grains_dir"`
	AutosignTimeout           time.Duration `salt:"autosign_timeout"` // age of autosign stubs; 0 = never expires
	MaxMinions                int           `salt:"max_minions"`      // 0 = unlimited
	AuthEvents                bool          `salt:"auth_events"`
	RotateAESKey              bool          `salt:"rotate_aes_key"`  // rotate when a key is deleted or rejected
	PublishSession            time.Duration `salt:"publish_session"` // timed rotation; 0 = never
	PingOnRotate              bool          `salt:"ping_on_rotate"`
	AllowMinionKeyRevoke      bool          `salt:"allow_minion_key_revoke"`
	PreserveMinionCache       bool          `salt:"preserve_minion_cache"`
	KeyCache                  string        `salt:"key_cache"`
	FIPSMode                  bool          `salt:"fips_mode"`
	HashType                  string        `salt:"hash_type"`                  // lower case
	RequestServerTTL          time.Duration `salt:"request_server_ttl"`         // 0 = no age check
	RequestServerAESSession   time.Duration `salt:"request_server_aes_session"` // 0 = PublishSession

	// Access control. publisher_acl, external_auth, peer and peer_run have no field: setting them
	// stops the start until they are supported.

	PublisherACLBlacklist ACLBlacklist  `salt:"publisher_acl_blacklist"`
	ClientACLVerify       bool          `salt:"client_acl_verify"`
	SudoACL               bool          `salt:"sudo_acl"`
	TokenExpire           time.Duration `salt:"token_expire"`
	TokenFile             string        `salt:"token_file"` // of the client tools; settled by LoadClient only
	FileRecv              bool          `salt:"file_recv"`
	FileRecvMaxSize       int           `salt:"file_recv_max_size"` // MB

	// Jobs, cache, returns.

	JobCache              bool          `salt:"job_cache"`
	MasterJobCache        string        `salt:"master_job_cache"`
	ExtJobCache           string        `salt:"ext_job_cache"`
	ExportMax             int           `salt:"saltern_export_max"`
	KeepJobs              time.Duration `salt:"keep_jobs_seconds"` // 0 = for ever; keep_jobs is folded in
	JobCacheStoreEndtime  bool          `salt:"job_cache_store_endtime"`
	MinionDataCache       bool          `salt:"minion_data_cache"`
	MinionDataCacheEvents bool          `salt:"minion_data_cache_events"`
	EnforceMineCache      bool          `salt:"enforce_mine_cache"`
	UniqueJID             bool          `salt:"unique_jid"`
	Timeout               time.Duration `salt:"timeout"`            // client default
	GatherJobTimeout      time.Duration `salt:"gather_job_timeout"` // client: wait for find_job answers
	PresenceEvents        bool          `salt:"presence_events"`
	LoopInterval          time.Duration `salt:"loop_interval"` // between maintenance rounds

	// Topology and targeting.

	OrderMasters bool          `salt:"order_masters"` // syndics live below this master
	MasterID     string        `salt:"master_id"`     // origin mark in publications; "" = none
	SyndicWait   time.Duration `salt:"syndic_wait"`   // extra client wait for syndics
	Nodegroups   []Nodegroup   `salt:"nodegroups"`

	// Sent to minions (spec: master-functions §2.1).

	FileRoots              []Environment `salt:"file_roots"`
	PillarRoots            []Environment `salt:"pillar_roots"`
	FileBufferSize         int           `salt:"file_buffer_size"` // bytes per served chunk
	Renderer               string        `salt:"renderer"`
	FailHard               bool          `salt:"failhard"`
	StateTop               string        `salt:"state_top"`
	StateTopSaltEnv        string        `salt:"state_top_saltenv"` // "" = null
	StateAutoOrder         bool          `salt:"state_auto_order"`
	StateEvents            bool          `salt:"state_events"`
	StateAggregate         *Value        `salt:"state_aggregate"` // boolean or list
	TopFileMergingStrategy string        `salt:"top_file_merging_strategy"`
	EnvOrder               []string      `salt:"env_order"`
	DefaultTop             string        `salt:"default_top"`
	SaltEnv                string        `salt:"saltenv"` // "" = null
	PillarEnv              string        `salt:"pillarenv"`
	JinjaEnv               *Map          `salt:"jinja_env"`
	JinjaSLSEnv            *Map          `salt:"jinja_sls_env"`
	JinjaLstripBlocks      bool          `salt:"jinja_lstrip_blocks"`
	JinjaTrimBlocks        bool          `salt:"jinja_trim_blocks"`

	// Logging.

	LogFile           string `salt:"log_file"` // path or syslog URL
	KeyLogFile        string `salt:"key_logfile"`
	LogLevel          string `salt:"log_level"`
	LogLevelLogFile   string `salt:"log_level_logfile"` // never empty after loading
	LogFormat         string `salt:"log_format"`        // "salt" or "json"
	LogDateFmt        string `salt:"log_datefmt"`
	LogDateFmtLogFile string `salt:"log_datefmt_logfile"`
	LogFmtConsole     string `salt:"log_fmt_console"`
	LogFmtLogFile     string `salt:"log_fmt_logfile"`
	LogFmtJID         string `salt:"log_fmt_jid"`
	LogGranular       *Map   `salt:"log_granular_levels"`

	// What the client tools print.

	Output             string `salt:"output"`       // outputter name; "" = per function
	StateOutput        string `salt:"state_output"` // full, terse, mixed, changes, …
	StateVerbose       bool   `salt:"state_verbose"`
	StateOutputDiff    bool   `salt:"state_output_diff"`
	StateOutputProfile bool   `salt:"state_output_profile"`
	Color              bool   `salt:"color"`
	CLISummary         bool   `salt:"cli_summary"`
	ShowTimeout        bool   `salt:"show_timeout"`
	ShowJID            bool   `salt:"show_jid"`

	// saltern's own.

	EventBusFraming  string        `salt:"saltern_event_bus_framing"` // auto, bare or length (spec: newer-salt)
	MaxMsgBytes      int64         `salt:"saltern_max_msg_bytes"`     // larger frames are refused by the sockets
	DrainTimeout     time.Duration `salt:"saltern_drain_timeout"`     // SIGTERM: how long requests may finish
	JobCacheDir      string        `salt:"saltern_jobcache_dir"`
	KeyCompat        string        `salt:"saltern_key_compat"`      // release line of salt-key, "" = its own manner
	KeyAuditLog      string        `salt:"saltern_key_audit_log"`   // who changed which key; "" = no record
	MetricsAddress   string        `salt:"saltern_metrics_address"` // host:port, "" = no TCP listener
	JournalKeep      time.Duration `salt:"saltern_journal_keep"`    // age of publications kept for syndics; 0 = none
	JournalMax       int           `salt:"saltern_journal_max"`     // their number; 0 = none
	Taps             []string      `salt:"saltern_taps"`            // ids of relay taps that may read the journal
	ReplayFirst      time.Duration `salt:"saltern_replay_first"`    // how old the publications of a first contact may be
	SyndicSeen       time.Duration `salt:"saltern_syndic_seen"`     // how long a silent syndic's inventory is believed
	PendingReply     string        `salt:"saltern_pending_reply"`   // pending or full
	RefreshOnStart   bool          `salt:"saltern_refresh_on_start"`
	Watchdog         time.Duration `salt:"saltern_watchdog"`          // 0 = off
	RotationGap      time.Duration `salt:"saltern_rotation_gap"`      // between two rotations by deletion; 0 = none
	Heartbeat        time.Duration `salt:"saltern_heartbeat"`         // ZMTP, both ports; 0 = none
	HeartbeatTimeout time.Duration `salt:"saltern_heartbeat_timeout"` // 0 = Heartbeat
	KeyPeers         *Map          `salt:"saltern_key_peers"`
	KeyStore         string        `salt:"saltern_key_store"` // Redis URL, secret; "" = none
	KeyStorePrefix   string        `salt:"saltern_key_store_prefix"`
	KeySync          time.Duration `salt:"saltern_key_sync"` // 0 = only by command

	Redis Redis // of the export

	// Raw is every option as the files gave it, merged, with file and line per value; options that no
	// file names are absent.
	Raw *Map

	faults []error // found while binding; part of Validate
}

// Environment is one entry of file_roots or pillar_roots: directories in search order.
type Environment struct {
	Name string
	Dirs []string
}

// Nodegroup is one named target expression. Expr is a string, or a list of words.
type Nodegroup struct {
	Name string
	Expr *Value
}

// ACLBlacklist is publisher_acl_blacklist: users and functions (both regular expressions) that may
// never publish, whoever asks.
type ACLBlacklist struct {
	Users   []string
	Modules []string
}

// ExportsJobs reports whether jobs are exported to Redis: all of them as master_job_cache, their loads alone as
// ext_job_cache, where minions write the returns themselves (spec: job-cache §3).
func (m *Master) ExportsJobs() bool { return m.MasterJobCache == "redis" || m.ExtJobCache == "redis" }

// ClientHost is the address a client tool on this host connects to: interface, with the wildcard
// addresses replaced by loopback (spec: config-and-daemons §2.1).
func (m *Master) ClientHost() string {
	switch m.Interface {
	case "0.0.0.0", "":
		return "127.0.0.1"
	case "::", "[::]":
		return "::1"
	}
	return m.Interface
}

package config

// bareOptions are read by the master although stock's table has no default entry for them (spec:
// config-and-daemons §4.1).
var bareOptions = []Option{
	{Name: "id", Type: Str, Verdict: Honoured, About: "the master's own id; derived from the host name with the suffix _master when unset"},
	{Name: "append_domain", Type: Str, Default: "''", Verdict: Honoured, About: "appended to the id when not already its suffix"},
	{Name: "minion_id_caching", Type: Bool, Default: "true", Verdict: Honoured, About: "false: ignore the minion_id file when the id is derived"},
	{Name: "include", Type: Str | List, Verdict: Honoured, About: "further files, relative to the directory of the including file"},
	{Name: "token_dir", Type: Str, Default: "/var/cache/salt/master/tokens", Verdict: Honoured, Path: UnderRoot, About: "always cachedir/tokens, whatever the file says"},
	{Name: "syndic_dir", Type: Str, Default: "/var/cache/salt/master/syndics", Verdict: Honoured, Path: UnderRoot, About: "always cachedir/syndics, whatever the file says"},
	{Name: "minimum_auth_version", Type: Int, Default: "3", Verdict: Honoured, Reload: Live, About: "lowest protocol level served; 0 serves minions of every release"},
	{Name: "autosign_file", Type: Str, Default: "''", Verdict: Honoured, Reload: Live, Path: UnderRoot, About: "ids accepted at once, one expression per line"},
	{Name: "autoreject_file", Type: Str, Default: "''", Verdict: Honoured, Reload: Live, Path: UnderRoot, About: "ids rejected at once, one expression per line"},
	{Name: "autosign_grains_dir", Type: Str, Default: "''", Verdict: Honoured, Reload: Live, Path: UnderRoot, About: "directory with accepted grain values, one file per grain"},
	{Name: "autosign_timeout", Type: Int, Default: "120", Verdict: Honoured, Reload: Live, Unit: Minutes, About: "age of a stub in minions_autosign; 0 never expires"},
	{Name: "presence_events", Type: Bool, Default: "false", Verdict: Honoured, Reload: Live, About: "fire presence events every loop_interval"},
	{Name: "master_id", Type: None | Str, Default: "~", Verdict: Honoured, About: "origin mark in publications; the name under which syndics list this master"},
	{Name: "syndic_user", Type: Str, Verdict: Honoured, About: "the syndic's account; default the master's user"},
	{Name: "syndic_master_port", Type: Int, Verdict: Honoured, About: "request port of the masters of masters; else master_port, else 4506"},
	{Name: "syndic_master_publish_port", Type: Int, Verdict: Honoured, About: "publish port of the masters of masters; unset uses the port each one announces"},
	{Name: "syndic_sock_dir", Type: Str, Verdict: Accepted, About: "the syndic keeps no sockets of its own"},
	{Name: "syndic_finger", Type: Str, Default: "''", Verdict: Honoured, About: "fingerprint the key of every master of masters must have; else master_finger"},
	{Name: "syndic_mode", Type: Str, Default: "sync", Verdict: Honoured, About: "cluster: no general events upward"},
	{Name: "syndic_retries", Type: Int, Default: "3", Verdict: Accepted, About: "attempts before a failed batch is dropped; batches are kept until acknowledged"},
	{Name: "master_port", Type: Int, Default: "4506", Verdict: Honoured, About: "request port of the masters of masters when syndic_master_port is unset"},
	{Name: "mine_get", Type: Dict, Verdict: Refused, About: "access rules for mine data"},
	{Name: "peer_run", Type: Dict, Default: "{}", Verdict: Refused, About: "minion -> runner functions"},
	{Name: "log_dir", Type: Str, Verdict: Honoured, About: "directory of a relative log_file"},
	{Name: "log_fmt", Type: Str, Verdict: Honoured, About: "record format where no more exact one is set"},
	{Name: "log_datefmt_console", Type: Str, Verdict: Honoured, About: "date format of the console"},
	{Name: "log_format", Type: Str, Default: "salt", Verdict: Honoured, About: "salt or json, for the log file and the console"},
	{Name: "token_file", Type: Str, Verdict: Planned, About: "token of the client tools"},
	{Name: "event_return_queue_max_seconds", Type: Int, Default: "0", Verdict: Accepted, About: "with event_return"},
	{Name: "auth.enable_expanded_auth_matching", Type: Any, Verdict: Accepted, About: "eauth matching"},
	{Name: "pass_to_ext_pillars", Type: Any, Verdict: Accepted, About: "pillar plug-ins"},
	{Name: "ext_pillar_first", Type: Bool, Default: "false", Verdict: Accepted, About: "pillar plug-ins"},
	{Name: "worker_pools_enabled", Type: Bool, Default: "false", Verdict: Accepted, About: "requests are queued by cost class without it"},
	{Name: "worker_pools", Type: Dict, Default: "{}", Verdict: Accepted, About: "requests are queued by cost class without it"},
	{Name: "worker_pool_default", Type: None | Str, Default: "~", Verdict: Accepted, About: "requests are queued by cost class without it"},
	{Name: "metrics", Type: Dict, Default: "{}", Verdict: Planned, About: "metrics exporter"},
	{Name: "tracing", Type: Dict, Default: "{}", Verdict: Planned, About: "trace exporter"},
	{Name: "ext_processes", Verdict: Silent, About: "Python classes"},
	{Name: "ssh_minion_opts", Verdict: Silent, About: "salt-ssh"},
	{Name: "roster", Verdict: Silent, About: "salt-ssh"},
	{Name: "roster_file", Verdict: Silent, About: "salt-ssh"},
	{Name: "rosters", Verdict: Silent, About: "salt-ssh"},
	{Name: "rest_cherrypy", Verdict: Silent, About: "salt-api"},
	{Name: "rest_tornado", Verdict: Silent, About: "salt-api"},
	{Name: "api_pidfile", Verdict: Silent, About: "salt-api"},
	{Name: "api_logfile", Verdict: Silent, About: "salt-api"},
	{Name: "rest_timeout", Verdict: Silent, About: "salt-api"},
	{Name: "utc_jid", Verdict: Silent, About: "job ids are always UTC"},
}

// displayOptions are read by the client tools.
var displayOptions = []Option{
	{Name: "output", Type: None | Str, Default: "~", Verdict: Honoured, Reload: Live, About: "outputter of the client tools"},
	{Name: "color", Type: Bool, Default: "true", Verdict: Honoured, Reload: Live, About: "colours on a terminal"},
	{Name: "output_file", Type: None | Str, Default: "~", Verdict: Planned, About: "file the client tools print to"},
	{Name: "output_indent", Type: Any, Verdict: Planned, About: "indentation of some outputters"},
}

// salternOptions are this implementation's own; stock Salt ignores them in the same file.
var salternOptions = []Option{
	{Name: "saltern_event_bus_framing", Type: Str, Default: "auto", Verdict: Honoured, About: "framing of the event publish socket: auto, bare or length (stock 3006.26 and later of that line)"},
	{Name: "saltern_max_msg_bytes", Type: Int, Default: "104857600", Verdict: Honoured, About: "largest message the sockets take"},
	{Name: "saltern_drain_timeout", Type: Float, Default: "10", Verdict: Honoured, Unit: Seconds, About: "how long requests in flight may finish after SIGTERM"},
	{Name: "saltern_journal_keep", Type: Float, Default: "86400", Verdict: Honoured, Reload: Live, Unit: Seconds, About: "how long publications are kept for syndics that missed them; 0 keeps none"},
	{Name: "saltern_journal_max", Type: Int, Default: "100000", Verdict: Honoured, About: "most publications kept for syndics; 0 keeps none"},
	{Name: "saltern_replay_first", Type: Float, Default: "60", Verdict: Honoured, Reload: Live, Unit: Seconds, About: "how old publications may be that a syndic gets at its first contact"},
	{Name: "saltern_syndic_seen", Type: Float, Default: "600", Verdict: Honoured, Reload: Live, Unit: Seconds, About: "how long a silent syndic's list of minions counts as current"},
	{Name: "saltern_jobcache_dir", Type: Str, Default: "''", Verdict: Honoured, Path: UnderRoot, About: "job store; default cachedir/saltern/jobs"},
}

package config

// topologyOptions is the part "Syndic and topology" of the option table.
var topologyOptions = []Option{
	{Name: "order_masters", Type: Bool, Default: "false", Verdict: Honoured, Reload: Live, About: "this master has syndics below: use the syndic timeouts and forward master_id"},
	{Name: "syndic_master", Type: Str | List, Default: "'masterofmasters'", Verdict: Honoured, About: "upstream master or list"},
	{Name: "syndic_log_file", Type: Any, Default: "'/var/log/salt/syndic'", Verdict: Honoured, Path: UnderRootUnlessURL, About: "syndic log"},
	{Name: "syndic_pidfile", Type: Any, Default: "'/var/run/salt-syndic.pid'", Verdict: Honoured, Path: UnderRoot, About: "syndic pid file"},
	{Name: "syndic_wait", Type: Int, Default: "5", Verdict: Honoured, Unit: Seconds, Reload: Live, About: "seconds the client waits extra for syndics"},
	{Name: "syndic_failover", Type: Str, Default: "'random'", Verdict: Honoured, About: "random shuffles the upstream list for each send; any other value keeps its order"},
	{Name: "syndic_event_forward_timeout", Type: Float, Default: "0.5", Verdict: Honoured, Unit: Seconds, About: "seconds between forwarding rounds"},
	{Name: "syndic_jid_forward_cache_hwm", Type: Int, Default: "100", Verdict: Honoured, About: "remembered jids per upstream before the oldest is dropped"},
	{Name: "syndic_forward_all_events", Type: Bool, Default: "false", Verdict: Planned, About: "documented; no code in 3006.10-3008 reads it. Implement as documented: forward all events, not only returns"},
	{Name: "detect_remote_minions", Type: Bool, Default: "false", Verdict: Accepted, About: "probe ports for presence"},
	{Name: "remote_minions_port", Type: Int, Default: "22", Verdict: Accepted, About: "with detect_remote_minions"},
	{Name: "discovery", Type: Dict | Bool, Default: "false", Verdict: Accepted, About: "SSDP announcement"},
	{Name: "nodegroups", Type: Dict | List | None, Default: "{}", Verdict: Honoured, Reload: Live, About: "targeting; dict or list of one-key dicts; null becomes {}"},
	{Name: "range_server", Type: Str, Default: "'range:80'", Verdict: Accepted, About: "range targeting"},
	{Name: "enable_ssh_minions", Type: Bool, Default: "false", Verdict: Accepted, About: "salt-ssh in salt"},
}

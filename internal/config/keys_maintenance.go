package config

// maintenanceOptions is the part "Maintenance and niceness" of the option table.
var maintenanceOptions = []Option{
	{Name: "loop_interval", Type: Float, Default: "60", Verdict: Honoured, Unit: Seconds, Reload: Live, About: "seconds between maintenance rounds"},
	{Name: "maintenance_interval", Type: Int, Default: "3600", Verdict: Accepted, About: "seconds after which stock restarts its maintenance process; no effect needed"},
	{Name: "maintenance_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "event_publisher_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "event_return_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "fileserver_update_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "mworker_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "mworker_queue_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "pub_server_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "reactor_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "req_server_niceness", Type: None | Int, Default: "~", Verdict: Accepted, About: "process niceness"},
	{Name: "max_open_files", Type: Int, Default: "100000", Verdict: Honoured, About: "raise the soft limit to min(value, hard limit) at start; warn ladder in 2.7"},
	{Name: "master_stats", Type: Bool, Default: "false", Verdict: Planned, About: "per-command timing events"},
	{Name: "master_stats_event_iter", Type: Int, Default: "60", Verdict: Planned, About: "seconds between them"},
	{Name: "schedule", Type: Dict, Default: "{}", Verdict: Accepted, About: "master-side scheduler"},
}

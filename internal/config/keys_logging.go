package config

// loggingOptions is the part "Logging and display" of the option table.
var loggingOptions = []Option{
	{Name: "log_file", Type: Str, Default: "'/var/log/salt/master'", Verdict: Honoured, Path: UnderRootUnlessURL, About: "path or syslog URL"},
	{Name: "key_logfile", Type: Str, Default: "'/var/log/salt/key'", Verdict: Honoured, Path: UnderRootUnlessURL, About: "log of salt-key; the default is written only with verify_env"},
	{Name: "log_level", Type: Str, Default: "'warning'", Verdict: Honoured, Reload: Live, About: "console level"},
	{Name: "log_level_logfile", Type: None | Str, Default: "~", Verdict: Honoured, Reload: Live, About: "file level; defaults to log_level"},
	{Name: "log_datefmt", Type: Str, Default: "'%H:%M:%S'", Verdict: Honoured, About: "console date format"},
	{Name: "log_datefmt_logfile", Type: Str, Default: "'%Y-%m-%d %H:%M:%S'", Verdict: Honoured, About: "file date format"},
	{Name: "log_fmt_console", Type: Str, Default: "'[%(levelname)-8s] %(message)s'", Verdict: Honoured, About: "console record format"},
	{Name: "log_fmt_logfile", Type: List | Str, Default: "'%(asctime)s,%(msecs)03d [%(name)-17s:%(lineno)-4d][%(levelname)-8s][%(process)d] %(message)s'", Verdict: Honoured, About: "file record format"},
	{Name: "log_fmt_jid", Type: Any, Default: "'[JID: %(jid)s]'", Verdict: Honoured, About: "inserted in records that concern a job"},
	{Name: "log_granular_levels", Type: Dict, Default: "{}", Verdict: Honoured, Reload: Live, About: "logger name to its least level, for the name and what is below it; it can only drop records, as in stock. Names: salt.master, salt.syndic, salt.key, and of parts salt.channel.server (sign-ins), salt.crypt, salt.transport, salt.utils.event, salt.returners.local_cache"},
	{Name: "log_rotate_max_bytes", Type: Int, Default: "0", Verdict: Accepted, About: "Windows only; other platforms log a warning and ignore"},
	{Name: "log_rotate_backup_count", Type: Int, Default: "0", Verdict: Accepted, About: "Windows only"},
	{Name: "state_output", Type: Str, Default: "'full'", Verdict: Honoured, Reload: Live, About: "client display"},
	{Name: "state_output_diff", Type: Bool, Default: "false", Verdict: Honoured, Reload: Live, About: "client display"},
	{Name: "state_output_profile", Type: Bool, Default: "true", Verdict: Honoured, Reload: Live, About: "client display"},
	{Name: "state_verbose", Type: Bool, Default: "true", Verdict: Honoured, Reload: Live, About: "client display"},
	{Name: "ssh_log_file", Verdict: Silent, About: "salt-ssh"},
}

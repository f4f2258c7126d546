package config

// accessOptions is the part "Access control" of the option table.
var accessOptions = []Option{
	{Name: "publisher_acl", Type: Dict, Default: "{}", Verdict: Refused, About: "user (glob or regex) -> allowed functions; also decides which .USER_key files exist"},
	{Name: "publisher_acl_blacklist", Type: Dict, Default: "{}", Verdict: Honoured, Reload: Live, About: "users and modules lists, checked first"},
	{Name: "client_acl_verify", Type: Bool, Default: "true", Verdict: Planned, About: "match ACL patterns against the passwd database"},
	{Name: "sudo_acl", Type: Bool, Default: "false", Verdict: Planned, About: "apply publisher_acl to sudo users"},
	{Name: "permissive_acl", Type: Bool, Default: "false", Verdict: Accepted, About: "leniency of minion-match ACL checks"},
	{Name: "external_auth", Type: Dict, Default: "{}", Verdict: Refused, About: "eauth rules; which backends the Go side implements must be stated"},
	{Name: "eauth_acl_module", Type: Str, Default: "''", Verdict: Accepted, About: "plug-in"},
	{Name: "eauth_tokens", Type: Str, Default: "'localfs'", Verdict: Planned, About: "token store; only localfs (msgpack files in token_dir)"},
	{Name: "token_expire", Type: Int, Default: "43200", Verdict: Honoured, Unit: Seconds, About: "how long salt and salt-key --eauth use a kept token; this master issues none"},
	{Name: "token_expire_user_override", Type: Bool | Dict, Default: "false", Verdict: Planned, About: "bool or {user: [backends]}"},
	{Name: "keep_acl_in_token", Type: Bool, Default: "false", Verdict: Planned, About: "forced True when rest is in external_auth"},
	{Name: "django_auth_path", Type: Str, Default: "''", Verdict: Silent, About: "django backend"},
	{Name: "django_auth_settings", Type: Str, Default: "''", Verdict: Silent, About: "django backend"},
	{Name: "peer", Type: Dict, Default: "{}", Verdict: Refused, About: "minion -> functions it may publish"},
	{Name: "file_recv", Type: Bool, Default: "false", Verdict: Planned, About: "allow cp.push"},
	{Name: "file_recv_max_size", Type: Int, Default: "100", Verdict: Planned, About: "MB per pushed file"},
}

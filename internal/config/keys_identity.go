package config

// identityOptions is the part "Identity, user, paths" of the option table.
var identityOptions = []Option{
	{Name: "conf_file", Type: Str, Default: "'/etc/salt/master'", Verdict: Honoured, About: "set to the file actually read"},
	{Name: "default_include", Type: Str, Default: "'master.d/*.conf'", Verdict: Honoured, About: "glob relative to the config file's directory"},
	{Name: "root_dir", Type: Str, Default: "'/'", Verdict: Honoured, About: "prefix rule in section 2.4"},
	{Name: "user", Type: Str, Default: "'root'", Verdict: Honoured, About: "privilege drop"},
	{Name: "pki_dir", Type: Str, Default: "'/etc/salt/pki/master'", Verdict: Honoured, Path: UnderRoot, About: "key store"},
	{Name: "cachedir", Type: Str, Default: "'/var/cache/salt/master'", Verdict: Honoured, Path: UnderRoot, About: "master cache root"},
	{Name: "extension_modules", Type: Any, Default: "'/var/cache/salt/master/extmods'", Verdict: Accepted, Path: UnderRoot, About: "sync'd Python extensions; not relative to a changed cachedir"},
	{Name: "pidfile", Type: Str, Default: "'/var/run/salt-master.pid'", Verdict: Honoured, Path: UnderRoot, About: "daemon pid file"},
	{Name: "verify_env", Type: Bool, Default: "true", Verdict: Accepted, About: "create directories, fix owners, verify log file; always done"},
	{Name: "permissive_pki_access", Type: Bool, Default: "false", Verdict: Honoured, About: "group access to the key store"},
	{Name: "sqlite_queue_dir", Type: Str, Default: "'/var/cache/salt/master/queues'", Verdict: Accepted, Path: UnderRoot, About: "queue runner database directory; create it, do not use it"},
	{Name: "module_dirs", Type: List, Default: "[]", Verdict: Silent, About: "Python plug-in path"},
	{Name: "outputter_dirs", Type: List, Default: "[]", Verdict: Silent, About: "Python plug-in path"},
	{Name: "queue_dirs", Type: List, Default: "[]", Verdict: Silent, About: "Python plug-in path"},
	{Name: "runner_dirs", Type: List, Default: "[]", Verdict: Silent, About: "Python plug-in path"},
	{Name: "utils_dirs", Type: List, Default: "[]", Verdict: Silent, About: "Python plug-in path"},
	{Name: "optimization_order", Type: List, Default: "[0, 1, 2]", Verdict: Silent, About: "Python byte-code"},
	{Name: "local", Type: Bool, Default: "true", Verdict: Silent, About: "internal"},
	{Name: "dummy_pub", Type: Any, Default: "false", Verdict: Silent, About: "internal"},
	{Name: "test", Type: Bool, Default: "false", Verdict: Silent, About: "state test mode"},
	{Name: "features", Type: Dict, Default: "{}", Verdict: Accepted, About: "feature flags; unknown keys ignored"},
	{Name: "cython_enable", Type: Bool, Default: "false", Verdict: Silent, About: "Python"},
}

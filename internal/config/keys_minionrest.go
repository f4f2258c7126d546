package config

// minionRestOptions belong to the stock minion that reads the same file. A syndic has no use for them;
// they are listed so that the check knows them and can tell them from a misspelled name.
var minionRestOptions = func() []Option {
	var rows []Option
	add := func(about string, names ...string) {
		for _, n := range names {
			rows = append(rows, Option{Name: n, In: InMinion, Verdict: Silent, About: about})
		}
	}
	add("how a minion chooses its master; a syndic serves every master of masters at once", "master", "master_type",
		"master_alive_interval", "master_failback", "master_failback_interval", "master_shuffle", "master_tries", "random_master")
	add("the minion's data", "grains", "grains_cache", "grains_cache_expiration", "grains_dirs", "grains_refresh_every",
		"grains_refresh_pre_exec", "grains_deep_merge", "grains_blacklist", "start_event_grains", "autosign_grains",
		"mine_functions", "mine_interval", "mine_enabled", "mine_return_job", "pillar_raise_on_missing", "use_master_when_local")
	add("the minion's work", "beacons", "beacons_before_connect", "schedule", "scheduler_before_connect", "startup_states",
		"sls_list", "top_file", "state_queue", "multiprocessing", "process_count_max", "providers", "backup_mode",
		"disable_modules", "disable_returners", "whitelist_modules", "module_dirs", "returner_dirs", "states_dirs", "render_dirs",
		"utils_dirs", "cache_jobs", "minion_floscript", "minion_jid_queue_hwm", "minion_restart_command", "test", "mock",
		"pub_ret", "returner", "environment", "lock_saltenv", "snapper_states", "snapper_states_config", "file_client",
		"random_reauth_delay_max", "restart_on_error", "global_state_conditions", "state_aggregate", "state_output_diff",
		"update_url", "update_restart_services", "reactor_niceness", "winrepo_source_dir", "winrepo_cache_expire_min", "winrepo_cache_expire_max")
	add("the minion's own sockets and processes", "tcp_pub_port", "tcp_pull_port", "user", "sudo_user", "pidfile", "cachedir",
		"minion_id_lowercase", "minion_id_remove_domain", "master_stats", "master_sign_key_name", "syndic_log_file")
	add("the minion's proxy or plug-in", "proxy", "proxy_deep_merge", "proxy_keep_alive", "proxy_keep_alive_interval",
		"proxy_always_alive", "proxy_host", "proxy_port", "proxy_username", "proxy_password", "no_proxy", "engines")
	return dropKnown(rows, minionOptions)
}()

// dropKnown leaves out the rows whose name another table of the same file has.
func dropKnown(rows, known []Option) []Option {
	have := make(map[string]bool, len(known))
	for _, o := range known {
		have[o.Name] = true
	}
	out := rows[:0]
	for _, o := range rows {
		if !have[o.Name] {
			have[o.Name] = true
			out = append(out, o)
		}
	}
	return out
}

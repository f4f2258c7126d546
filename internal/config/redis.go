package config

import "fmt"

// Redis says how a Redis or Valkey server is reached, and as whom. The master file, and the relay's, name it with the
// options of stock Salt's Redis returner where these exist (spec: job-cache §3).
type Redis struct {
	Host       string `salt:"redis.host"`
	Port       int    `salt:"redis.port"`
	DB         int    `salt:"redis.db"`
	Password   string `salt:"redis.password"`         // secret
	UnixSocket string `salt:"redis.unix_socket_path"` // "" = Host and Port

	Username     string `salt:"saltern_redis_username"`        // ACL user; "" = the default user
	PasswordFile string `salt:"saltern_redis_password_file"`   // read at each connection; wins over Password
	TLS          bool   `salt:"saltern_redis_tls"`             // implied by any of the files below
	TLSCA        string `salt:"saltern_redis_tls_ca"`          // PEM; "" = the system's
	TLSCert      string `salt:"saltern_redis_tls_cert"`        // PEM; client certificate
	TLSKey       string `salt:"saltern_redis_tls_key"`         // PEM
	TLSName      string `salt:"saltern_redis_tls_server_name"` // "" = Host
}

// faults says what cannot work; report is called with an option and a reason.
func (r *Redis) faults(report func(name, format string, args ...any)) {
	if (r.TLSCert == "") != (r.TLSKey == "") {
		report("saltern_redis_tls_cert", "certificate and key (saltern_redis_tls_key) belong together")
	}
	if r.UnixSocket != "" && r.UseTLS() {
		report("redis.unix_socket_path", "TLS is for host and port, not for a Unix socket")
	}
	if r.UnixSocket == "" && r.Host == "" {
		report("redis.host", "is empty")
	}
}

// UseTLS reports whether the connection is encrypted.
func (r *Redis) UseTLS() bool { return r.TLS || r.TLSCA != "" || r.TLSCert != "" || r.TLSName != "" }

// String names the server without any secret.
func (r Redis) String() string {
	if r.UnixSocket != "" {
		return fmt.Sprintf("unix:%s/%d", r.UnixSocket, r.DB)
	}
	return fmt.Sprintf("%s:%d/%d", r.Host, r.Port, r.DB)
}

// GoString keeps the secret out of %#v as well.
func (r Redis) GoString() string { return r.String() }

// redisRows are the same in the master file and in the relay's.
func redisRows(in Files, host string) []Option {
	rows := []Option{
		{Name: "redis.host", Type: Str, Default: host, About: "host of the Redis server"},
		{Name: "redis.port", Type: Int, Default: "6379", Min: 1, Max: maxPort, About: "its port"},
		{Name: "redis.db", Type: Int, Default: "0", Min: 0, Max: 1 << 20, About: "number of the database"},
		{Name: "redis.password", Type: Str, Default: "''", Secret: true, About: "password; in a file of its own with saltern_redis_password_file"},
		{Name: "redis.unix_socket_path", Type: Str, Default: "''", About: "Unix socket instead of host and port"},
		{Name: "saltern_redis_username", Type: Str, Default: "''", About: "ACL user; empty is the default user"},
		{Name: "saltern_redis_password_file", Type: Str, Default: "''", About: "file with the password, read at each connection; wins over redis.password"},
		{Name: "saltern_redis_tls", Type: Bool, Default: "false", About: "connect with TLS"},
		{Name: "saltern_redis_tls_ca", Type: Str, Default: "''", About: "PEM file of the authorities that may sign the server's certificate; empty trusts the system's"},
		{Name: "saltern_redis_tls_cert", Type: Str, Default: "''", About: "PEM file of the client certificate"},
		{Name: "saltern_redis_tls_key", Type: Str, Default: "''", About: "PEM file of its key"},
		{Name: "saltern_redis_tls_server_name", Type: Str, Default: "''", About: "name in the server's certificate; empty is redis.host"},
	}
	for i := range rows {
		rows[i].In = in
	}
	return rows
}

// masterRedisOptions are the rows of the master file.
func masterRedisOptions() []Option {
	return append(redisRows(InMaster, "salt"),
		Option{Name: "redis.cluster_mode", Type: Bool, Default: "false", Verdict: Planned, About: "Redis Cluster"},
		Option{Name: "redis.cluster.startup_nodes", Type: List, Default: "[]", Verdict: Planned, About: "Redis Cluster"},
		Option{Name: "redis.cluster.skip_full_coverage_check", Type: Bool, Default: "false", Verdict: Planned, About: "Redis Cluster"},
		Option{Name: "saltern_export_max", Type: Int, Default: "1000000", Verdict: Honoured, Min: 1000, Max: 1 << 30, About: "most changes of jobs that wait for their export to Redis; beyond it the oldest are given up and counted"},
	)
}

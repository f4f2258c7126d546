// Package redisdb opens a Redis or Valkey server as the configuration names it: host and port or a Unix socket, password
// or ACL user, TLS with an own authority and a client certificate.
//
//	config.Redis ──► Open ──► *redis.Client     (relay: streams · jobexport: the job cache)
//
// The protocol is version 2, which every server speaks that users run. A password in a file is read at each connection,
// so that it can be changed without a restart; no secret reaches a log or an error text. Commands are not retried by the
// client: whoever writes decides what may be written twice.
//
// Threading: the client is safe for concurrent use. The package imports config alone.
package redisdb

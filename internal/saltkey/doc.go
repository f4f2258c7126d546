// Package saltkey is the salt-key command: it lists, accepts, rejects, deletes, prints and fingerprints
// the keys of minions, makes key pairs and signs the master's public key.
//
//	argv ──► options ──► dialect (--compat)          one run, one goroutine
//	            │
//	            └─► tool ──► match ─► propose ─► ask ─► act ─► report
//	                 │                                  │
//	            output (stdout)                 pki.DirStore, audit log, event bus, .dfn flag
//
// With --eauth a remote takes the tool's place: the same dialogue, but the master matches and acts.
//
// It works on the files below pki_dir with or without a running master, which only hears an event for
// each key. Where the three release lines of stock Salt differ, dialect says how; where this command
// differs from stock on purpose, Differences says why, and the golden tests hold it to that list.
//
// Threading: one Tool per run; nothing is shared.
//
// It never imports a daemon package, and opens no network socket but the event bus of the same host, and
// with --eauth the master's request port.
//
// spec: key-management-cli; auth-and-crypto §7, §8.
package saltkey

// Package master is the master tier: it signs minions in, publishes jobs, takes their returns and
// keeps the event bus that local clients read.
//
//	4506 ROUTER ─▶ transport ─▶ dispatch.go ── clear ──▶ auth, publish, ping …
//	                             level, decrypt, tok └ aes ──▶ commands.go table ─▶ one file per family
//	                                                              │ returns.go: group commit, event, ack
//	4505 XPUB  ◀── publish.go: authorise, match, jid, announce ─▶ journal.go: number, save, sign, send
//	sock_dir   ◀─▶ internal/event: master_event_pub.ipc, master_event_pull.ipc
//
// Where an operator's word lives:
//
//	_auth, key states            auth.go (the pure table), authcmd.go (effects and reply)
//	publish, jids                publish.go; once per job: loopguard.go
//	targets, who is below        population.go, inventory.go
//	order, missed publications   publisher.go, journal.go
//	returns, syndic returns      returns.go, syndiccmd.go
//	minion events                eventcmd.go; once per forwarded event: origins.go
//	mine, files, pillar, tops    minecmd.go, filecmd.go, pillarcmd.go
//	.root_key                    localkeys.go
//	AES rotation, expiry         maintenance.go
//
// Threading: transport calls handle from the workers of a request's cost class. Handlers share the
// Master and lock only what they change. Locks, in order: the publisher's line (serials and the order
// of sending) before the locks inside pki and jobcache; presence and registries hold
// theirs for a map access only, and never with I/O.
//
// The package never imports syndic, and never touches a ZeroMQ socket itself.
package master

// Package keyshare lets several masters decide about minion keys together without a shared file system.
//
//	pki_dir/minions, minions_rejected  ◀── salt-key, stock or not: the local truth
//	        │ scan: what changed here becomes a new version
//	        ▼
//	ledger (pki_dir/saltern-share)     id → state, key, version vector; deletions stay as tombstones
//	        │ merge (pure)             ◀── entries of others: signed file, pull from a peer, Redis
//	        ▼
//	apply to the directory             newer: done · same: joined · contradicting: kept apart and reported
//
// Decisions are shared: accepted, rejected, deleted. Pending and denied keys are what strangers claim and stay where
// they are. A version vector counts the decisions of every master about one id, so that a later decision is told from
// a contradicting one whatever the clocks say. The directory is changed before the ledger: what a crash leaves in
// between looks like a decision made here, with the same content, and joins.
//
// Everything that comes in is signed by a master whose public key is pinned here.
//
// Threading: a Share may be used from several goroutines and processes; a lock file makes one change at a time.
// The package imports pki and wire, never config, master or transport.
package keyshare

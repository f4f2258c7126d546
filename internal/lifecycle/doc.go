// Package lifecycle is what every daemon needs around its own work: goroutines with an owner,
// clean-ups in order, signals, readiness, a pid file, one instance per state directory, limits, the
// account and the background mode.
//
//	Detach ─► InstanceLock ─► bind sockets ─► WritePIDFile ─► DropPrivileges ─► Group.Run
//	                                                             │  Go(name, fn) …
//	   first error, signal or context ends it ───────────────────┤
//	                                                             └─ Cleanup(name, fn) in reverse, timed
//
// Threading: a Group's Go and Cleanup may be called from any goroutine before and during Run; each
// clean-up runs alone. The other functions belong to the start of main, before goroutines exist.
//
// This package is a leaf: it imports nothing else of this module and knows nothing of Salt's wire.
package lifecycle

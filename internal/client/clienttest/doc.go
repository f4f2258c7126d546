// Package clienttest is a stand-in master for tests of the local client and of commands: a request port
// and an event bus on loopback in a temporary directory, whose minions answer from a script.
//
//	test ──Start──► Master{ConfigDir} ◄── publish request ── code under test
//	                  └── script: Run(id, fun, arg) ──► returns on the bus
//
// It speaks the real wire and keeps nothing: no keys, no job cache, no sessions.
//
// Threading: Start's script is called from one goroutine at a time.
//
// For tests only; no daemon and no command imports it.
package clienttest

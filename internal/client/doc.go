// Package client publishes jobs on the master of this host and waits for their returns, as stock's local
// client does, against stock masters and saltern's alike.
//
//	          ┌── publish request, 4506 ──────────► master
//	Client ───┤
//	          └── event bus ──► hub ──► inbox ──► wait ──► Result, Result, …
//	                                               │ silence
//	                                               └─► saltutil.find_job, again on 4506
//
// Only what Salt offers to every local process is used: the root key file, the request port and the
// bus. The stock client also reads the job cache on disk; this one does not.
//
// The waiting itself (wait) is a pure function of events and time.
//
// Threading: a Client may run several Jobs at once. A Job belongs to one goroutine. The bus connection
// is shared; the goroutine that reads it is waited for by Client.Close.
//
// The package never imports a daemon package.
//
// spec: local-client-and-salt-cli §1–§4.
package client

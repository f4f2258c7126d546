// Package check looks at a host the way its daemons will find it and says what is wrong before they do:
// configuration, permissions, limits, ports, clock, keys and the masters of masters.
//
//	master, minion, *.d ──► config.Lint ──┐
//	pki_dir, cachedir, sock_dir … ────────┤
//	/proc (ports, limits, processes) ─────┼──► Report{Findings} ──► text, JSON, exit status
//	clock, keys ──────────────────────────┤
//	masters of masters (TCP, ZMTP, ping) ─┘     --quick leaves these out
//
// A finding says what is, where (file:line) and what to run. Nothing is changed, no secret is printed,
// and nothing is sent to a master of masters that leaves a trace there, unless a sign-in is asked for.
//
// Threading: Run is one call; it waits for every goroutine it starts. Every read and every connection is
// bounded in size and time.
//
// It never imports a daemon package, so that it can be run beside any of them.
package check

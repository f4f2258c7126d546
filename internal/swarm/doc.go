// Package swarm is N simulated Salt minions in one process, on the real wire, without libzmq: it sizes a
// tier before it is bought, and it is the load of every benchmark here.
//
//	             ┌─ REQ ──► 4506   _auth, _pillar, _minion_event, _return      requestLink
//	minion ×N  ──┤
//	             └─ SUB ◄── 4505   publications                                minion.subscribed
//	   shared by all: key pairs (identity), the master's key and AES key (masterState, sharedKey),
//	                  the book of jobs, counters
//
// Nothing is left out on the wire: every minion signs in by itself, checks the reply as stock does (signature, nonce,
// challenge, X9.31 block), seals its requests with its own session key at level 3 or the shared key at level 2, checks
// serials, and repeats, re-authenticates and gives up as stock does (spec: transport §2.3, §2.7, §4.6). What is the
// same for all minions is computed once: the tok of a key pair, the opened form of one publication, its target.
//
// Differences from a stock minion: the target is evaluated for glob, list and pcre only; commands are not run
// (cmd.run answers with a text); pub_sig is ignored; a lost request connection is made anew at the next request.
//
// A minion runs a job once: the last 100 are remembered, over all its masters when it has several (Config.Hot), and the
// return goes to the master that the job came from first (spec: multi-master §2).
//
// Threading: an idle minion is two goroutines (subscription, request connection); a job is one more for as long as it
// lasts, at most 32 to a minion, beyond which the minion stops reading. Swarm.Run owns them all and waits for them. An
// idle minion costs about 17 kB of resident memory with both connections.
//
// It imports internal/wire, internal/target and pki; never transport, master, or anything with libzmq in it.
package swarm

// Package badlink is a TCP relay that behaves as a bad line does, for tests and the soak run.
//
//	client ──▶ Relay ──▶ target        each direction of each connection:
//	                                   read ─▶ queue of chunks, each with the time it arrives ─▶ write
//
//	Set(Quality)   delay, loss, bandwidth        what TCP makes of lost segments: everything behind one waits
//	Reset          connections are reset, and new ones at once
//	Silence        nothing passes, nobody is told; what was under way passes after Heal
//	Forget         today's connections stay silent for ever, new ones work: a firewall that lost its state
//	Heal           ends Reset and Silence
//
// A relay sees a stream, not segments: loss is the stall that a retransmission costs, drawn for each chunk of at most
// 1448 bytes with a doubled wait for each further loss of the same. Connections being made are held up in the same way,
// but the kernel accepts them: a client never sees a connection refused or unanswered.
//
// Threading: one goroutine accepts, two serve each direction of a connection; Close ends and awaits them. All methods
// are safe for concurrent use. It imports nothing of saltern.
package badlink

// Package wire knows every byte that Salt's daemons exchange: MessagePack in its two dialects, the request
// envelope, the plaintexts inside it, the publications and the loads of the commands a master, a syndic and
// a minion send each other.
//
//	frame ──ParseEnvelope──► Envelope ──(pki opens)──► plaintext ──SplitPlain──► load ──ParseLoad──► Load
//	                          │ clear                                                    │
//	                          └────────────────────────────────────────────► ParseAuthRequest, ParseReturn, …
//
// Bytes from a socket are hostile. Check walks them once, without recursion and without allocation, before
// anything else looks at them; every Parse function calls it itself. The span functions (ScanMap, Field, Str,
// Transcode …) expect checked bytes; on others they give wrong answers but never panic.
//
// Salt data decoded into a tree are the Go values nil, bool, int64, uint64 (only above MaxInt64), float64,
// string, []byte, []any, *Map (ordered) and Ext.
//
// Threading: the package has no state. Functions may be called from any goroutine; values follow the usual rule of
// one writer or many readers.
//
// It never does I/O, reads no clock, holds no key, and imports nothing of this module.
package wire

// Package status shows a running daemon from outside: what `saltern status` prints and a metrics page exports.
//
//	            ┌────────────── daemon ──────────────┐
//	Source ───► │ Report ──► Watcher ──► problems    │   <sock_dir>/saltern-master-status.sock, mode 0600
//	(master,    │    │          └──► log on change   │   HTTP/1.1, GET only:  /status   JSON
//	 syndic)    │    └──► Server ────────────────────┼──►                     /metrics  Prometheus text
//	            └─────────────┬──────────────────────┘                        /healthz  the process lives
//	                          │                                               /readyz   it serves
//	                          └── TCP, off unless asked for, loopback unless named: the same without /status
//
//	Client ◄── socket        Text: the same report for people
//
// A Report is a value: sections with rows, queues, links and sums. A sum says what has to balance; the Watcher
// tells work under way from a loss (watcher.go). Nothing is counted here and nothing can be changed through the
// server; a daemon whose status cannot be served goes on serving.
//
// Threading: a Source is asked from one goroutine at a time, at most ten times a second, however many ask. Run
// joins every goroutine it starts. A Watcher belongs to one goroutine.
//
// Imports metrics and nothing else of this module: neither daemon, so that both can be shown alike.
package status

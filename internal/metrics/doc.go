// Package metrics holds the numbers that a daemon shows to monitoring: the catalogue of every metric, a
// snapshot of their values at one moment, and the text format that Prometheus reads.
//
//	catalogue (define)          what exists: name, help, kind, labels with their allowed values
//	     │
//	Builder.Add(metric, value, labels…)  ──► Snapshot ──► WriteText, JSON, the reference page
//	     └─ refuses what the catalogue does not allow and says so in Snapshot.Faults
//
// Nothing is counted here: each part of a daemon keeps its own counters and is asked when somebody looks.
// Names are Salt 3008's where it has an instrument of the same meaning (salt_…), else saltern_<part>_<what>_<unit>
// (spec: newer-salt, OpenTelemetry; config-and-daemons §8). A label never carries a minion id, a jid or a user:
// values come from fixed lists or from the configuration, and their number is bounded.
//
// Threading: the catalogue is fixed after package initialisation; a Builder belongs to one goroutine; a
// Snapshot is a value that nobody changes.
//
// This package is a leaf: it imports nothing else of this module, opens no socket and writes no log.
package metrics

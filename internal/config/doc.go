// Package config reads Salt's own configuration files into one struct per daemon.
//
//	master, master.d/*.conf, include  ──► ordered tree (file:line per value)
//	                                          │  option table (keys*.go): type, default, verdict
//	command line overrides ───────────────────┤
//	                                          ▼
//	                     Master / Syndic snapshot + Report (notices) or joined faults
//
// The files keep stock Salt's dialect and merge rules, so a host can move between the two without
// touching them (spec: config-and-daemons §2). Unknown options never stop a start: they stay in the
// tree and are named once in the Report. Options that would open a hole when ignored do stop it.
//
// Threading: a loaded *Master or *Syndic is immutable by agreement; a reload makes a new snapshot.
// All functions are safe for concurrent use.
//
// This package is a leaf: it imports nothing else of this module, opens no socket and writes no file.
package config

// Package logfmt writes log/slog records the way operators of Salt read them: Salt's file and
// console formats, or JSON.
//
//	*slog.Logger ──► fan ──► console handler (level, "[WARNING ] text")        stderr
//	                    └──► file handler (level, date, component, pid)  ──► Sink ──► log_file
//
// Levels are slog's with two more at the ends, TRACE and CRITICAL. The Sink notices that logrotate
// renamed or truncated its file, because stock Salt's units send no signal after a rotation
// (spec: config-and-daemons §3, §7.2).
//
// Threading: everything is safe for concurrent use; one record is written with one write call.
//
// This package is a leaf: it imports nothing else of this module.
package logfmt

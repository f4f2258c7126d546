// Package keyrotate replaces a master's own key pair in steps that can be taken back, and asks for a new AES key.
//
//	            prepare             switch               finish
//	(nothing) ───────────▶ prepared ───────▶ switched ─────────────▶ (nothing)
//	                          ▲                │
//	                          └── rollback ────┘
//
//	pki_dir/master.pem .pub (or <id>.*), signature        in use
//	pki_dir/saltern-rotation/next.pem .pub .sig…          prepared
//	pki_dir/saltern-rotation/previous.pem .pub .sig…      kept for the way back
//
// The state is what lies there; there is no other record. A switch that was interrupted is recognised and ended by
// running it again. A running master keeps its pair until SIGHUP or a restart.
//
// Threading: one process at a time per pki_dir; functions keep nothing between calls.
// The package imports pki alone, never config or cobra.
package keyrotate

// Package output turns Salt data into the texts people and scripts read: the outputters of the stock
// commands, byte for byte.
//
//	any tree ──┬─ nested ─ highstate ─ no_return ─ key     for people, with colours
//	           └─ json ─ yaml ─ txt ─ raw ─ pprint ─ table for programs
//
// Data are the trees of package wire: nil, bool, int64, uint64, float64, string, []byte, []any,
// *wire.Map and wire.Ext. Values of any other type are printed with fmt.
//
// Threading: every function is pure; Options are passed by value.
//
// The package does no I/O but to the writer given, and imports only wire.
//
// spec: local-client-and-salt-cli §8.
package output

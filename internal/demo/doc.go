// Package demo runs a whole tier of saltern processes on loopback, in a temporary directory, for
// `saltern demo`: the same binaries, configurations and key handling as in the field, only small.
//
//	mom-a        mom-b            masters of masters
//	  │ ╲      ╱   │
//	  │   ╲  ╱     │
//	mid-1 syndic  mid-2 syndic    each under both
//	mid-1 master  mid-2 master
//	50 minions    50 minions      simulated, real wire
//
// Every process is a child with its own log file and is ended with the tier, in reverse order.
// A Tier is for one goroutine. The package never imports master or syndic: it starts them.
package demo

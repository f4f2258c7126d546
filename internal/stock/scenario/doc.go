// Package scenario holds what stock Salt and saltern must do together, and runs it.
//
//	column (one stock release)
//	  └ group (its own daemons, started once)      stock-master, saltern-master, tier:…, levels:…
//	      └ step (one cell of the matrix)          pending, accept, stock-salt/test.ping, master killed …
//
// The group stock-master runs first in every column: it proves the harness with stock Salt everywhere, and
// what it printed is what every other group of the column is compared with.
//
// Threading: columns may run in parallel; the groups and steps of a column run one after another on one
// goroutine. A Bench and everything it started belongs to that goroutine and is gone when its group ends.
//
// The package imports internal/stock alone and drives saltern through its binary and its files.
package scenario

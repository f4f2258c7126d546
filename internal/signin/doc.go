// Package signin is how a minion's key signs in at a master, and what its credentials open: requests, their answers, and the
// publications of the subscription (spec: auth-and-crypto §5, syndic §3). Syndics use it, and taps that decrypt.
//
// A key is offered at level 3; a master that knows no sessions answers at level 2. The master's key is pinned at the first
// contact, or has to be signed. Nothing here has a socket; all types but none of the files are safe for concurrent use.
package signin

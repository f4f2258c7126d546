// Package importrules holds no code, only the test that fails when an import goes against the layout:
//
//	rank 3  cmd/…
//	rank 2  master  syndic                 never each other
//	rank 1  internal/…                     leaves, and each other along listed arrows
//	rank 0  pki  transport  jobcache       nothing of this module
//
// A new arrow inside internal/ is a decision: add it to the list in the test, with the reason in the
// commit.
package importrules

// Package target decides which minion ids a target expression names.
//
//	kind + expression --Parse--> Matcher --Match(ids)--> minions, missing
//
// It knows the kinds that need nothing but ids: glob, list and pcre. Kinds that look at grains,
// pillar or groups are reported as ErrKind, so that a caller can refuse them in its own words.
//
// Threading: a Matcher is immutable after Parse and safe for concurrent use.
//
// The package does no I/O and imports nothing of this module.
//
// spec: master-functions §6.
package target

package access

import (
	"errors"
	"fmt"
	"path"
)

// Blacklist is publisher_acl_blacklist: users and functions that may never publish
// (spec: master-functions §4, step 1). The zero value forbids nothing.
type Blacklist struct {
	Users   []string // shell glob or expression over the whole name
	Modules []string // the same, over each function
}

// Check joins the faults of all entries: an entry that can match nothing is a hole the operator
// believes closed.
func (b Blacklist) Check() error {
	var faults []error
	for _, list := range [][]string{b.Users, b.Modules} {
		for _, entry := range list {
			_, globErr := path.Match(entry, "")
			if reErr := checkPattern(entry); globErr != nil && reErr != nil {
				faults = append(faults, fmt.Errorf("publisher_acl_blacklist: %q is neither glob nor %w", entry, reErr))
			}
		}
	}
	return errors.Join(faults...)
}

// Forbids reports whether the user, or any of the functions, is on the list.
func (b Blacklist) Forbids(user string, funs []string) bool {
	if matchesAny(b.Users, user) {
		return true
	}
	for _, fun := range funs {
		if matchesAny(b.Modules, fun) {
			return true
		}
	}
	return false
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
		if fullMatch(p, name) {
			return true
		}
	}
	return false
}

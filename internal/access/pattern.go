package access

import (
	"fmt"
	"time"

	"github.com/dlclark/regexp2"
)

// matchTimeout bounds one regular expression: patterns come from configuration and from other
// masters, and the engine backtracks.
const matchTimeout = 100 * time.Millisecond

// startMatch reports whether the Python expression matches at the start of text (Python re.match).
// A pattern that is no expression, or that runs too long, does not match.
func startMatch(pattern, text string) bool {
	return search(`\A(?:`+pattern+`)`, text)
}

// fullMatch reports whether the Python expression matches the whole text.
func fullMatch(pattern, text string) bool {
	return search(`\A(?:`+pattern+`)\z`, text)
}

func search(pattern, text string) bool {
	re, err := regexp2.Compile(pattern, regexp2.None)
	if err != nil {
		return false
	}
	re.MatchTimeout = matchTimeout
	ok, err := re.MatchString(text)
	return err == nil && ok
}

// checkPattern returns an error when pattern is no Python expression.
func checkPattern(pattern string) error {
	if _, err := regexp2.Compile(pattern, regexp2.None); err != nil {
		return fmt.Errorf("expression %q: %w", pattern, err)
	}
	return nil
}

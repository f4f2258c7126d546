package target

import (
	"fmt"
	"regexp"
	"time"

	"github.com/dlclark/regexp2"
)

// Time limits of one expression. A backtracking engine can be made to run for years by thirty
// characters, and the expression comes from whoever may publish.
const (
	matchTimeout = 50 * time.Millisecond  // for one id
	matchBudget  = 500 * time.Millisecond // for all ids of one Match
)

// pcreMatcher runs a Python regular expression anchored at the start of the id. fast is set when the
// expression means the same to Go's engine, which cannot be made to run away; slow otherwise.
type pcreMatcher struct {
	fast *regexp.Regexp
	slow *regexp2.Regexp
	// asciiOnly: fast means the same only for ids of ASCII characters (\w and friends), so that other
	// ids go to slow.
	asciiOnly bool
}

func parsePCRE(text string) (Matcher, error) {
	expr, err := translate(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrExpr, text, err)
	}
	m := &pcreMatcher{asciiOnly: expr.classes}
	if expr.plain {
		// A failure here only means that Go has a lower limit somewhere, repetition counts for one.
		if re, err := regexp.Compile(`\A(?:` + expr.golang + `)`); err == nil {
			m.fast = re
		}
	}
	if m.fast == nil || m.asciiOnly {
		re, err := regexp2.Compile(`\A(?:`+expr.dotnet+`)`, regexp2.None)
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrExpr, text, err)
		}
		re.MatchTimeout = matchTimeout
		m.slow = re
	}
	return m, nil
}

func (m *pcreMatcher) Match(ids []string) (minions, missing []string) {
	minions, missing, _ = m.MatchErr(ids) // the caller chose not to tell ErrTimeout from nobody
	return minions, missing
}

func (m *pcreMatcher) MatchErr(ids []string) (minions, missing []string, err error) {
	var deadline time.Time
	for _, id := range ids {
		if m.fast != nil && (!m.asciiOnly || isASCII(id)) {
			if m.fast.MatchString(id) {
				minions = append(minions, id)
			}
			continue
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(matchBudget)
		} else if now.After(deadline) {
			return nil, nil, fmt.Errorf("%w: more than %v", ErrTimeout, matchBudget)
		}
		hit, err := m.slow.MatchString(id)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: more than %v for one id", ErrTimeout, matchTimeout)
		}
		if hit {
			minions = append(minions, id)
		}
	}
	return minions, nil, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

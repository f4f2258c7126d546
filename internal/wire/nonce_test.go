package wire

import (
	"regexp"
	"testing"
)

func TestNewNonce(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$`)
	seen := map[string]bool{}
	for range 1000 {
		n := NewNonce()
		if !form.MatchString(n) || seen[n] {
			t.Fatalf("nonce %q, seen before: %v", n, seen[n])
		}
		seen[n] = true
	}
}

package master

import (
	"errors"
	"testing"
	"time"
)

func TestPendingCount(t *testing.T) {
	var p pendingCount
	now := time.Unix(1_800_000_000, 0)
	lists, stored := 0, 7
	list := func() (int, error) { lists++; return stored, nil }
	want := func(at time.Time, n, listed int) {
		t.Helper()
		if got, err := p.count(at, list); err != nil || got != n || lists != listed {
			t.Errorf("count = %d after %d lists, %v; want %d after %d", got, lists, err, n, listed)
		}
	}
	want(now, 7, 1)
	p.added()
	want(now.Add(999*time.Millisecond), 8, 1)
	stored = 3
	want(now.Add(time.Second), 3, 2)
	want(now.Add(-time.Hour), 3, 3) // the clock was set back
	failing := errors.New("no directory")
	if _, err := p.count(now.Add(time.Hour), func() (int, error) { return 0, failing }); !errors.Is(err, failing) {
		t.Errorf("err = %v", err)
	}
}

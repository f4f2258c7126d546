package scenario

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestTier_stuck: a stock minion that returns nothing to its stock master is no failure of what is above, a return that
// stays behind is one.
func TestTier_stuck(t *testing.T) {
	const (
		announced1, announced2 = "salt/job/1/new", "salt/job/2/new"
		one, two               = "salt/job/1/ret/m2", "salt/job/2/ret/m2"
		other                  = "salt/job/1/ret/m1"
	)
	for _, test := range []struct {
		name     string
		low, top []string
		saltern  bool
		stuck    bool
	}{
		{"one minion returns", []string{announced1, one, announced2, two}, []string{one, two}, false, true},
		{"none does", []string{announced1, announced2}, nil, false, true},
		{"a return stays behind", []string{announced1, one, announced2, two}, []string{one}, false, false},
		{"the last job stays above", []string{announced1, one}, []string{one}, false, false},
		{"both return", []string{announced1, one, announced2, other, two}, []string{one, other, two}, false, false},
		{"to a master of ours", []string{announced1, one, announced2, two}, []string{one, two}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := column("3006.10", nil)
			tr := &tier{
				column: c, master: c.Salt,
				low: &host{bus: busOf(t, nil, test.low...)}, top: &host{bus: busOf(t, nil, test.top...)},
			}
			if test.saltern {
				tr.master = orNil(nil)
			}
			jobs := []job{{jid: "1"}, {jid: "2"}}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := tr.stuck(ctx, &Bench{}, jobs, []string{"m1", "m2"}, errIncomplete)
			if test.stuck != (err == nil) || err != nil && !errors.Is(err, errIncomplete) {
				t.Errorf("%v", err)
			}
		})
	}
}

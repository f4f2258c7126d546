package scenario

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// TestFan_excuse: what a stock lower master never had is given up, nothing else.
func TestFan_excuse(t *testing.T) {
	for _, test := range []struct {
		name    string
		low     []string
		saltern bool
		excused bool
	}{
		{"never came to the lower master", []string{"salt/job/1/new", "salt/job/1/ret/m1"}, false, true},
		{"stayed behind there", []string{"salt/job/1/new", "salt/job/1/ret/m1", "salt/job/1/ret/m2"}, false, false},
		{"the job was not handed down", []string{"salt/job/1/ret/m1"}, false, false},
		{"never came to a master of ours", []string{"salt/job/1/new", "salt/job/1/ret/m1"}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			low, top := &host{bus: busOf(t, nil, test.low...)}, &host{bus: busOf(t, nil, "salt/job/1/ret/m1")}
			f := &fan{master: column("3006.10", nil).Salt, lows: []*host{low}, tops: []*host{top}}
			if test.saltern {
				f.master = orNil(nil)
			}
			j := job{jid: "1", top: top, ids: []string{"m1", "m2"}}
			err := f.arrive(t.Context(), time.Millisecond, j)
			if excused := err == nil; excused != test.excused || excused != (len(f.wanted(j)) == 1) {
				t.Errorf("%v, wanted %q", err, f.wanted(j))
			}
			if err != nil && !errors.Is(err, stock.ErrTimeout) {
				t.Error(err)
			}
			// A minion that is excused may still be late.
			if err := f.arrive(t.Context(), time.Millisecond, j); test.excused && err != nil {
				t.Error(err)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	top := &host{bus: busOf(t, nil, "salt/job/1/new")}
	f := &fan{master: column("3006.10", nil).Salt, lows: []*host{top}, tops: []*host{top}}
	if err := f.arrive(ended, time.Minute, job{jid: "1", top: top, ids: []string{"m1"}}); err == nil {
		t.Error("an interrupted wait excuses")
	}
}

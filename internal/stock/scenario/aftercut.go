package scenario

import (
	"context"
	"net"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// moments are those after the restoration of a link at which jobs are published. A stock syndic's subscription may
// take 11 s to come back (spec: syndic §12).
var moments = []time.Duration{
	100 * time.Millisecond, 300 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
	15 * time.Second,
}

// linkEntry is the link's name in syndic_master.
func linkEntry(l link) string {
	host, _, _ := net.SplitHostPort(l.request.Addr()) // an address the listener gave
	return host
}

// afterCut publishes one job into a cut and others 0.1 to 15 s after it; all run once or are reported. Twice, or 50
// times in the long form.
func (f *fan) afterCut(ctx context.Context, b *Bench) error {
	if err := f.start(ctx, b); err != nil {
		return err
	}
	repeats := 2
	if f.column.Long {
		repeats = 50
	}
	for range repeats {
		if err := f.cutOnce(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (f *fan) cutOnce(ctx context.Context, b *Bench) error {
	cable, reports := f.links[0][0], f.reports()
	var jobs []job
	publish := func() error {
		ids := []string{"m1", f.swarmIDs(0)[0], f.swarmIDs(0)[1]}
		j, err := f.tops[0].publishJob(ctx, ids, "-L", ids[0]+","+ids[1]+","+ids[2], "test.echo", "around a cut")
		jobs = append(jobs, j)
		return err
	}
	cable.set(stock.Cut)
	defer cable.set(stock.Passing)
	err := publish()
	cable.set(stock.Passing)
	healed := time.Now()
	for _, moment := range moments {
		if err != nil {
			return err
		}
		select {
		case <-time.After(time.Until(healed.Add(moment))):
		case <-ctx.Done():
			return ctx.Err()
		}
		err = publish()
	}
	if err != nil {
		return err
	}
	return f.accounted(ctx, b, reports, jobs...)
}

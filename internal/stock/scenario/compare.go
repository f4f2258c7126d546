package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// comparePatience is how long returns are waited for: what has not come then counts as not gone through.
const comparePatience = time.Minute

// compareGroups send one job to many simulated minions through every combination of masters of masters and syndics,
// and print one line of figures for each. The lower masters are saltern's, so that the tops differ alone.
func compareGroups(c *Column) []Group {
	our := orNil(c.Saltern)
	var groups []Group
	for _, members := range [][2]stock.Software{{c.Salt, c.Salt}, {c.Salt, our}, {our, c.Salt}, {our, our}} {
		f := &fan{column: c, moms: members[:1], syndic: members[1], master: our, lowered: 2, swarm: 250}
		if c.Long {
			f.lowered, f.swarm = 4, 2500
		}
		groups = append(groups, Group{Name: "many minions " + f.name(), Skip: f.skip(), Steps: []Step{
			{Name: "joined", Run: f.start, Limit: 15 * time.Minute},
			{Name: "test.ping", Run: f.compare, Limit: 15 * time.Minute},
		}})
	}
	return groups
}

// compare publishes test.ping twice. Returns that do not come are a failure only where all is saltern's.
func (f *fan) compare(ctx context.Context, b *Bench) error {
	if err := f.start(ctx, b); err != nil {
		return err
	}
	for range 2 {
		if err := f.compareOnce(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (f *fan) compareOnce(ctx context.Context, b *Bench) error {
	top := f.tops[0]
	var ids []string
	for i := range f.lows {
		ids = append(ids, f.swarmIDs(i)...)
	}
	before, err := top.master.CPU()
	if err != nil {
		return err
	}
	up, down := f.messages()
	j, err := f.ping(ctx, top, "s*", ids)
	if err != nil && top.masterSoftware.Label() == "stock" {
		b.note("the stock master of masters takes no job: %v", err) // it is still busy with the returns of the one before
		return nil
	}
	if err != nil {
		return err
	}
	missed := f.arrive(ctx, f.sized(comparePatience, 5*comparePatience), j)
	took := time.Since(j.at)
	after, err := top.master.CPU()
	if err != nil {
		return err
	}
	if missed != nil && !errors.Is(missed, errIncomplete) {
		return missed
	}
	gotUp, gotDown := f.messages()
	came := len(top.tally.returns[j.jid])
	cpu := after - before
	b.measured("%s", seconds(took))
	b.note("%5d of %5d returns over %d syndics after %6.2f s; master of masters: %7.3f s CPU, %6.3f ms per return; %d messages up, %d down",
		came, len(ids), len(f.lows), took.Seconds(), cpu.Seconds(), cpu.Seconds()*1000/float64(max(came, 1)), gotUp-up, gotDown-down)
	if missed != nil && top.masterSoftware.Label() == "saltern" && !f.stockSyndic() {
		return fmt.Errorf("%d minions: %w", len(ids), missed)
	}
	return nil
}

// messages are those carried by all links so far.
func (f *fan) messages() (up, down int64) {
	for _, row := range f.links {
		for _, l := range row {
			for _, one := range []*stock.Link{l.publish, l.request} {
				u, d := one.Messages()
				up, down = up+u, down+d
			}
		}
	}
	return up, down
}

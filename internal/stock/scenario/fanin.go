package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/stock"
)

// faninWait is syndic_wait of the masters of masters: what the stock command waits for at least
// (spec: local-client §4, syndic §9).
const faninWait = 2

// faninGroups time the salt command over two syndics with two stock minions each.
func faninGroups(c *Column) []Group {
	our := orNil(c.Saltern)
	fans := []*fan{
		{moms: []stock.Software{c.Salt}, syndic: c.Salt, master: c.Salt},
		{moms: []stock.Software{c.Salt}, syndic: our, master: our},
		{moms: []stock.Software{our}, syndic: our, master: our},
		{moms: []stock.Software{our}, syndic: c.Salt, master: c.Salt},
	}
	groups := make([]Group, 0, len(fans))
	for _, f := range fans {
		f.column, f.lowered, f.minions, f.wait = c, 2, 2, faninWait
		steps := []Step{{Name: "joined", Run: f.start}}
		for _, target := range []string{"*", "m*"} {
			steps = append(steps, Step{Name: "salt '" + target + "' test.ping", Run: func(ctx context.Context, b *Bench) error {
				return f.timed(ctx, b, target)
			}})
		}
		groups = append(groups, Group{Name: "two syndics " + f.name(), Skip: f.skip(), Steps: steps})
	}
	return groups
}

// timed asks with the command of the top's own kind; the four minions have to answer. The figure is the best of
// three, whole commands with their start.
func (f *fan) timed(ctx context.Context, b *Bench, target string) error {
	if err := f.start(ctx, b); err != nil {
		return err
	}
	const rounds = 3
	top := f.tops[0]
	var (
		took  []float64
		short int
	)
	for range rounds {
		result, err := b.run(ctx, top.masterSoftware, stock.Command, top.configDir, "--out", "txt", target, "test.ping")
		if err != nil {
			return err
		}
		if !f.saidAll(result) {
			if short++; !f.stockSyndic() {
				return fmt.Errorf("salt '%s' test.ping printed %q, %q", target, result.Stdout, result.Stderr)
			}
		}
		took = append(took, result.Took.Seconds())
	}
	slices.Sort(took)
	b.measured("%.2f s", took[0])
	b.note("best %.2f s, worst %.2f s of %d, with the command's own start; syndic_wait is %d s", took[0], took[rounds-1], rounds,
		faninWait)
	if short > 0 {
		// Without a list of minions, or with a late one, the command ends early (spec: syndic §6, §9).
		b.note("%d of %d commands ended before all minions behind stock syndics had answered", short, rounds)
	}
	return nil
}

// saidAll tells whether every stock minion is in the output.
func (f *fan) saidAll(result stock.Result) bool {
	for _, id := range f.stockIDs() {
		if !strings.Contains(result.Stdout, id+": True\n") {
			return false
		}
	}
	return true
}

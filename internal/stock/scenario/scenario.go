package scenario

import (
	"context"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// Column is one release of stock Salt and what its groups share.
type Column struct {
	Salt    *stock.Salt
	All     []*stock.Salt  // every release given, for scenarios that mix them
	Saltern *stock.Saltern // nil: only the scenarios without saltern apply
	Dir     string         // directory of this column's groups; short, see stock.MasterConfig
	Long    bool           // run the sizes of the promises instead of the short ones

	answers map[string]Answer // what stock Salt printed, by question name
}

// Group is a set of steps that share daemons.
type Group struct {
	Name  string
	Skip  string // why the group does not apply to the column; empty: it does
	Steps []Step
}

// Step is one cell of the matrix. It must work when only it was selected: it brings its daemons to where
// it needs them itself.
type Step struct {
	Name  string
	Skip  string        // why the step does not apply; empty: it does
	Limit time.Duration // for the whole step; 0: stepTimeout
	Wants []string      // full names of steps of earlier groups whose answer this one compares with
	Run   func(ctx context.Context, bench *Bench) error
}

// Outcome of a cell.
type Outcome uint8

// The three outcomes.
const (
	OK Outcome = iota
	Failed
	NotApplicable
)

// String is the word printed in the matrix.
func (o Outcome) String() string {
	return [...]string{"ok", "FAILED", "n/a"}[o]
}

// Cell is the result of one step in one column.
type Cell struct {
	Scenario string // "group/step"
	Release  string
	Outcome  Outcome
	Reason   string   // why it failed or does not apply
	Detail   string   // log tails; only when failed
	Figure   string   // what was measured, short: printed beside the outcome
	Notes    []string // what was measured, as sentences: printed below the matrix
	Took     time.Duration
}

// once remembers the first outcome of a stage that several steps need.
type once struct {
	run sync.Once
	err error
}

func (o *once) do(stage func() error) error {
	o.run.Do(func() { o.err = stage() })
	return o.err
}

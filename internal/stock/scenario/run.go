package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// tailLines of every log are shown with a failure.
const tailLines = 15

// Options of one run.
type Options struct {
	Salts    []*stock.Salt // one column each
	All      []*stock.Salt // every release found; scenarios that mix releases choose from these
	Saltern  *stock.Saltern
	Match    *regexp.Regexp // scenarios to run, by full name
	Dir      string         // short directory for everything written; see stock.MasterConfig
	Parallel int            // columns at a time, at least 1
	Long     bool           // the sizes of the promises instead of the short ones
	Progress func(Cell)     // called after every cell, one at a time; nil: not called
	Trace    io.Writer      // commands with their output; nil: nowhere
}

// Run runs every chosen scenario in every column and returns the cells, column by column in catalogue order.
// The error is about the harness alone; what stock or saltern did wrong is in the cells.
func Run(ctx context.Context, opts Options) ([]Cell, error) {
	if opts.Trace == nil {
		opts.Trace = io.Discard
	}
	var (
		results = make([][]Cell, len(opts.Salts))
		faults  = make([]error, len(opts.Salts))
		slots   = make(chan struct{}, max(1, opts.Parallel))
		workers sync.WaitGroup
		said    sync.Mutex
	)
	report := func(cell Cell) {
		said.Lock()
		defer said.Unlock()
		if opts.Progress != nil {
			opts.Progress(cell)
		}
	}
	opts.Trace = &lockedWriter{to: opts.Trace}
	for i, salt := range opts.Salts {
		column := &Column{
			Salt: salt, All: opts.All, Saltern: opts.Saltern, Dir: filepath.Join(opts.Dir, strconv.Itoa(i)),
			answers: make(map[string]Answer), Long: opts.Long,
		}
		slots <- struct{}{}
		workers.Go(func() {
			defer func() { <-slots }()
			results[i], faults[i] = column.run(ctx, opts, report)
		})
	}
	workers.Wait()
	if n, err := stock.Sweep(opts.Dir); err != nil {
		faults = append(faults, err)
	} else if n > 0 {
		fmt.Fprintf(opts.Trace, "killed %d processes that had left their group\n", n)
	}
	var cells []Cell
	for _, column := range results {
		cells = append(cells, column...)
	}
	return cells, errors.Join(faults...)
}

func (c *Column) run(ctx context.Context, opts Options, report func(Cell)) ([]Cell, error) {
	var (
		cells  []Cell
		faults []error
	)
	for i, group := range choose(Catalogue(c), opts.Match) {
		bench := &Bench{Column: c, Dir: filepath.Join(c.Dir, strconv.Itoa(i)), Trace: opts.Trace}
		if err := os.MkdirAll(bench.Dir, 0o700); err != nil {
			return cells, fmt.Errorf("make bench directory: %w", err)
		}
		for _, step := range group.Steps {
			cell := bench.cell(ctx, group, step)
			cells = append(cells, cell)
			report(cell)
		}
		faults = append(faults, bench.Close())
		if ctx.Err() != nil {
			return cells, errors.Join(append(faults, ctx.Err())...)
		}
	}
	return cells, errors.Join(faults...)
}

// cell runs one step and names its outcome.
func (b *Bench) cell(ctx context.Context, group Group, step Step) Cell {
	cell := Cell{Scenario: fullName(group, step), Release: b.Column.Salt.Release}
	for _, reason := range []string{group.Skip, step.Skip} {
		if reason != "" {
			cell.Outcome, cell.Reason = NotApplicable, reason
			return cell
		}
	}
	if ctx.Err() != nil {
		cell.Outcome, cell.Reason = NotApplicable, "interrupted"
		return cell
	}
	fmt.Fprintf(b.Trace, "== %s %s (%s)\n", cell.Release, cell.Scenario, b.Dir)
	begun := time.Now()
	b.figure, b.notes = "", nil
	err := b.limited(ctx, step)
	cell.Took, cell.Figure, cell.Notes = time.Since(begun), b.figure, b.notes
	if err != nil {
		cell.Outcome, cell.Reason, cell.Detail = Failed, err.Error(), b.Tails(tailLines)
	}
	return cell
}

// limited runs a step under its deadline. A panic is a failure of the step: the daemons have to be ended.
func (b *Bench) limited(ctx context.Context, step Step) (err error) {
	limit := step.Limit
	if limit == 0 {
		limit = stepTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("step: %w after %s", stock.ErrTimeout, limit))
	defer cancel()
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
		}
	}()
	err = step.Run(ctx, b)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// lockedWriter keeps lines of parallel columns whole.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

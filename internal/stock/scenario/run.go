package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
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
			answers: make(map[string]Answer),
		}
		slots <- struct{}{}
		workers.Go(func() {
			defer func() { <-slots }()
			results[i], faults[i] = column.run(ctx, opts, report)
		})
	}
	workers.Wait()
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
	fmt.Fprintf(b.Trace, "== %s %s (%s)\n", cell.Release, cell.Scenario, b.Dir)
	begun := time.Now()
	err := step.Run(ctx, b)
	cell.Took = time.Since(begun)
	if err != nil {
		cell.Outcome, cell.Reason, cell.Detail = Failed, err.Error(), b.Tails(tailLines)
	}
	return cell
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

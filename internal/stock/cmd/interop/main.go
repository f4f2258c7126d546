// Command interop runs every interoperability scenario against every stock Salt release given by
// STOCK_SALT (see package stock) and prints one matrix of scenario by release.
//
// It exits with 0 when nothing failed or when no stock Salt was given, with 1 when a cell failed, and with
// 2 when it could not run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
	"github.com/saltern-io/saltern/internal/stock/scenario"
)

type flags struct {
	run, release, saltern string
	keep, verbose, long   bool
	parallel              int
}

func main() {
	var f flags
	flag.StringVar(&f.run, "run", "", "regular expression `regexp` of scenarios (group/step) to run")
	flag.StringVar(&f.release, "release", "", "comma-separated `releases` to run, of those in STOCK_SALT")
	flag.StringVar(&f.saltern, "saltern", "bin/saltern", "`path` of the saltern binary; empty: stock scenarios only")
	flag.BoolVar(&f.keep, "keep", false, "keep the working directory")
	flag.BoolVar(&f.verbose, "v", false, "print every command and what it printed")
	flag.BoolVar(&f.long, "long", os.Getenv("SALTERN_LONG") != "", "cuts, jobs and repeats as many as promised; also by SALTERN_LONG=1")
	flag.IntVar(&f.parallel, "parallel", 1, "`releases` run at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := interop(ctx, f)
	stop()
	os.Exit(code)
}

func interop(ctx context.Context, f flags) int {
	failures, err := run(ctx, f)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "interop:", err)
		return 2
	case failures > 0:
		return 1
	}
	return 0
}

func run(ctx context.Context, f flags) (failures int, err error) {
	all, err := stock.Find(ctx, os.Getenv)
	if err != nil {
		return 0, err
	}
	if len(all) == 0 {
		fmt.Println("interop: STOCK_SALT names no stock Salt, nothing to compare with: skipped")
		return 0, nil
	}
	match, err := regexp.Compile(f.run)
	if err != nil {
		return 0, fmt.Errorf("-run: %w", err)
	}
	chosen, err := pick(all, f.release)
	if err != nil {
		return 0, err
	}
	opts := scenario.Options{Salts: chosen, All: all, Match: match, Parallel: f.parallel, Long: f.long, Progress: progress}
	if f.saltern != "" {
		if opts.Saltern, err = stock.NewSaltern(f.saltern); err != nil {
			return 0, err
		}
	}
	if f.verbose {
		opts.Trace = os.Stderr
	}
	return runIn(ctx, f, opts)
}

// runIn gives the run its directory. It is short and in /tmp because Unix socket paths are.
func runIn(ctx context.Context, f flags, opts scenario.Options) (failures int, err error) {
	if opts.Dir, err = os.MkdirTemp("/tmp", "interop"); err != nil {
		return 0, err
	}
	begun := time.Now()
	cells, err := scenario.Run(ctx, opts)
	releases := make([]string, len(opts.Salts))
	for i, salt := range opts.Salts {
		releases[i] = salt.Release
	}
	failures, printErr := report(os.Stdout, releases, cells)
	fmt.Printf("took %s\n", time.Since(begun).Round(time.Second))
	if f.keep || failures > 0 {
		fmt.Println("logs and files are in", opts.Dir)
	} else if rmErr := os.RemoveAll(opts.Dir); err == nil {
		err = rmErr
	}
	if err == nil {
		err = printErr
	}
	return failures, err
}

func report(w io.Writer, releases []string, cells []scenario.Cell) (int, error) {
	for _, cell := range cells {
		if cell.Detail != "" {
			fmt.Fprintf(os.Stderr, "\n== logs at the failure of %s %s\n%s", cell.Release, cell.Scenario, cell.Detail)
		}
	}
	return scenario.WriteMatrix(w, releases, cells)
}

func progress(cell scenario.Cell) {
	outcome := cell.Outcome.String()
	if cell.Figure != "" {
		outcome += " " + cell.Figure
	}
	fmt.Fprintf(os.Stderr, "%-8s %-6s %6.1fs  %s %s\n", cell.Release, outcome, cell.Took.Seconds(),
		cell.Scenario, cell.Reason)
	for _, note := range cell.Notes {
		fmt.Fprintf(os.Stderr, "%-8s   %s\n", cell.Release, note)
	}
}

// pick keeps the releases named, in the order of STOCK_SALT.
func pick(all []*stock.Salt, names string) ([]*stock.Salt, error) {
	if names == "" {
		return all, nil
	}
	var chosen []*stock.Salt
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(s *stock.Salt) bool { return s.Release == name || s.Series() == name })
		if i < 0 {
			return nil, fmt.Errorf("-release %s: not among the releases of STOCK_SALT", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/saltern-io/saltern/internal/demo"
	"github.com/saltern-io/saltern/internal/status"
)

// sampleEvery is between two looks at every daemon.
const sampleEvery = time.Second

// daemon is one process under watch.
type daemon struct {
	name    string
	of      *demo.Master
	syndic  bool
	series  [len(kinds)][]float64
	now     demo.Figures
	unasked int // looks that were not answered in a row
}

// kind is a figure that must stay flat.
type kind struct {
	name   string
	metric string // "" = Figures.Anonymous
	scale  float64
	slack  float64 // absolute growth that is none
}

// The figures. The slack is what a working daemon gains and loses anyway: caches that fill, connections under way.
var kinds = [...]kind{
	{"own MiB", "", 1 << 20, 8}, // resident, without the pages of its program: these come as they are used
	{"heap MiB", "saltern_process_heap_bytes", 1 << 20, 4},
	{"descriptors", "salt_process_open_fds", 1, 8},
	{"goroutines", "saltern_process_goroutines", 1, 16},
}

// watch follows the daemons of a tier.
type watch struct {
	tier    *demo.Tier
	daemons []*daemon
	began   time.Time
}

func newWatch(tier *demo.Tier) *watch {
	w := &watch{tier: tier, began: time.Now()}
	for _, m := range tier.Tops() {
		w.daemons = append(w.daemons, &daemon{name: m.Name, of: m})
	}
	for _, m := range tier.Hosts() {
		w.daemons = append(w.daemons, &daemon{name: m.Name, of: m}, &daemon{name: "syndic " + m.Name, of: m, syndic: true})
	}
	return w
}

// follow looks every second and prints every interval until ctx ends or the load fails.
func (w *watch) follow(ctx context.Context, out io.Writer, every time.Duration, l *load) error {
	fmt.Fprintf(out, "%7s %20s %9s %11s |", "time", "jobs at a/b/below", "slowest", "waiting b/x")
	for _, d := range w.daemons {
		fmt.Fprintf(out, " %18s |", d.name)
	}
	fmt.Fprintf(out, "\n%7s %20s %9s %11s |", "", "", "answer a", "")
	for range w.daemons {
		fmt.Fprintf(out, " %18s |", "MiB heap fds gor")
	}
	fmt.Fprintln(out)
	look, line := time.NewTicker(sampleEvery), time.NewTicker(every)
	defer look.Stop()
	defer line.Stop()
	for {
		select {
		case <-ctx.Done():
			return l.failed()
		case <-look.C:
			if err := w.sample(context.WithoutCancel(ctx)); err != nil {
				return err
			}
			if err := l.failed(); err != nil {
				return err
			}
		case <-line.C:
			w.line(out, l)
		}
	}
}

// maxUnasked is how many looks in a row a daemon may leave unanswered: a busy machine is no failure.
const maxUnasked = 5

func (w *watch) sample(ctx context.Context) error {
	for _, d := range w.daemons {
		f, err := w.tier.Figures(ctx, d.of, d.syndic)
		if err != nil {
			if d.unasked++; d.unasked >= maxUnasked {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			continue
		}
		d.now, d.unasked = f, 0
		for i, k := range kinds {
			v := f.Anonymous
			if k.metric != "" {
				v = f.Total(k.metric)
			}
			d.series[i] = append(d.series[i], v/k.scale)
		}
	}
	return nil
}

func (w *watch) line(out io.Writer, l *load) {
	steady, far, local, _, slowest := l.took()
	_, b, x := w.waiting()
	fmt.Fprintf(out, "%7s %20s %7.2f s %11s |", time.Since(w.began).Round(time.Second), fmt.Sprintf("%d/%d/%d", steady, far, local), slowest.Seconds(), fmt.Sprintf("%d/%d", b, x))
	for _, d := range w.daemons {
		fmt.Fprintf(out, " %s |", d.last())
	}
	fmt.Fprintln(out)
}

// last is the newest figures.
func (d *daemon) last() string {
	var v [len(kinds)]float64
	for i := range kinds {
		if n := len(d.series[i]); n > 0 {
			v[i] = d.series[i][n-1]
		}
	}
	return fmt.Sprintf("%4.0f %4.0f %4.0f %3.0f", v[0], v[1], v[2], v[3])
}

// waiting adds up the queues of the syndics for each master of masters.
func (w *watch) waiting() (steady, far, dead int64) {
	sums := [3]*int64{&steady, &far, &dead}
	for _, d := range w.daemons {
		n := 0
		for _, s := range d.now.Sections {
			if !d.syndic || s.Upstream == "" || n >= len(sums) {
				continue
			}
			for _, q := range s.Queues {
				if q.Name == "outbox" {
					*sums[n] += q.Depth
				}
			}
			n++
		}
	}
	return steady, far, dead
}

// settle waits until nothing waits for the masters of masters that are alive and every job has its returns. Jobs that
// still lack some at the end of ctx are left to the look at the stores.
func (w *watch) settle(ctx context.Context, out io.Writer, l *load) error {
	began := time.Now()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	empty := 0
	for {
		if err := w.sample(ctx); err != nil {
			return err
		}
		short, err := l.short()
		if err != nil {
			return err
		}
		steady, far, _ := w.waiting()
		if steady+far+int64(short) > 0 {
			empty = 0
		} else if empty++; empty >= 3 { // the masters below may still have had something
			fmt.Fprintf(out, "all returns in and nothing waiting %v after the load\n", time.Since(began).Round(time.Second))
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if steady+far == 0 {
				return nil
			}
			return fmt.Errorf("%w: %d and %d items still wait %v after the load", errUnsound, steady, far, settleTime)
		}
	}
}

// sums looks at what the daemons themselves count: nothing dropped, nothing given up, sums that balance.
func (w *watch) sums() error {
	var errs []error
	for _, d := range w.daemons {
		for _, metric := range []string{
			"saltern_syndic_dropped_total", "saltern_syndic_refused_total", "saltern_syndic_rejected_total", "saltern_syndic_unrecovered_total",
			"saltern_syndic_not_taken_total", "saltern_master_returns_unstored_total", "saltern_metrics_faults",
		} {
			if n := d.now.Total(metric); n > 0 {
				errs = append(errs, fmt.Errorf("%w: %s of %s is %.0f", errUnsound, metric, d.name, n))
			}
		}
		for _, p := range d.now.Problems {
			if p.Kind == status.SumOff {
				errs = append(errs, fmt.Errorf("%w: %s: %s", errUnsound, d.name, p.Text))
			}
		}
	}
	return errors.Join(errs...)
}

// flat compares the lowest value of the last quarter with that of the second one. The lowest is what is left between
// two collections, or between two connections; the first quarter is for caches that fill.
func (w *watch) flat() error {
	var errs []error
	for _, d := range w.daemons {
		for i, k := range kinds {
			early, late := quarter(d.series[i], 1), quarter(d.series[i], 3)
			if late > early*1.1+k.slack {
				errs = append(errs, fmt.Errorf("%w: %s of %s grew from %.0f to %.0f", errUnsound, k.name, d.name, early, late))
			}
		}
	}
	return errors.Join(errs...)
}

// quarter is the lowest value of a quarter of a series, 0 to 3.
func quarter(series []float64, n int) float64 {
	low := math.Inf(1)
	for _, v := range series[len(series)*n/4 : len(series)*(n+1)/4] {
		low = min(low, v)
	}
	if math.IsInf(low, 1) {
		return 0
	}
	return low
}

// print shows the second and the last quarter of every series.
func (w *watch) print(out io.Writer) {
	fmt.Fprintf(out, "\nlowest values of the second and the last quarter\n")
	for _, d := range w.daemons {
		fmt.Fprintf(out, "%-14s", d.name)
		for i, k := range kinds {
			fmt.Fprintf(out, "  %s %.0f → %.0f", k.name, quarter(d.series[i], 1), quarter(d.series[i], 3))
		}
		fmt.Fprintln(out)
	}
}

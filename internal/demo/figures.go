package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/status"
)

// Figures are what one daemon has used and done.
type Figures struct {
	status.Report
	CPU       time.Duration // user and system
	Anonymous float64       // resident bytes that are no pages of files: what the process has allocated
}

// Figures asks the master, or the syndic beside it, how it is. A daemon that was stopped is an error.
func (t *Tier) Figures(ctx context.Context, m *Master, syndic bool) (Figures, error) {
	socket := status.MasterSocket
	if syndic {
		socket = status.SyndicSocket
	}
	r, err := status.NewClient(filepath.Join(m.SockDir(), socket)).Report(ctx)
	if err != nil {
		return Figures{}, err
	}
	f := Figures{Report: r}
	if f.CPU, err = cpuTime(r.PID); err != nil {
		return f, err
	}
	f.Anonymous, err = anonymous(r.PID)
	return f, err
}

// anonymous reads RssAnon of /proc/<pid>/status.
func anonymous(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kib * 1024, err
		}
	}
	return 0, errors.New("status of a process has no RssAnon")
}

// Total is the sum of a metric over all its labels, 0 for one that the daemon does not have.
func (f *Figures) Total(metric string) (sum float64) {
	for _, family := range f.Metrics.Families {
		if family.Name != metric {
			continue
		}
		for _, s := range family.Samples {
			sum += s.Value
		}
	}
	return sum
}

// clockTick is the unit of the times in /proc/<pid>/stat: USER_HZ, 100 on every Linux of Go.
const clockTick = 10 * time.Millisecond

func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, errors.New("stat of a process has too few fields")
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

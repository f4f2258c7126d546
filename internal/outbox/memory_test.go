package outbox

import (
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"time"
)

// childIdle prints the memory before and after opening a store that has been used.
func childIdle(dir string) error {
	debug.FreeOSMemory()
	before, err := rss()
	if err != nil {
		return err
	}
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		return err
	}
	if _, err := s.Queue("mom"); err != nil {
		return err
	}
	if err := s.Sync(); err != nil {
		return err
	}
	debug.FreeOSMemory()
	kib, err := rss()
	if err != nil {
		return err
	}
	fmt.Println("rss", kib-before, "before", before)
	return s.Close()
}

// childMillion prints the memory with 1,000,000 waiting items.
func childMillion(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	q, err := s.Queue("mom")
	if err != nil {
		return err
	}
	if err := s.Sync(); err != nil {
		return err
	}
	const per = 500
	answers := make(chan error, 8)
	body := make([]byte, 200)
	for i := range 1_000_000 / per {
		entries := make([]Entry, per)
		for k := range entries {
			entries[k] = Entry{q, Item{Kind: 1, Key: fmt.Sprintf("20261120131415123456\x00minion-%d", i*per+k), Body: body}}
		}
		if i >= cap(answers) {
			if err := <-answers; err != nil {
				return err
			}
		}
		s.Put(entries, func(out []Outcome) {
			for _, o := range out {
				if o.Err != nil || o.Duplicate {
					answers <- fmt.Errorf("outcome %+v", o)
					return
				}
			}
			answers <- nil
		})
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			return err
		}
	}
	for range 3 {
		if _, err := q.Take(2000, 1<<20); err != nil {
			return err
		}
	}
	st, err := q.Stats()
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	kib, err := rss()
	if err != nil {
		return err
	}
	fmt.Println("rss", kib, "items", st.Items, "bytes", st.Bytes)
	return s.Close()
}

func childRSS(t *testing.T, task string) (kib int) {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("no /proc here")
	}
	start := time.Now()
	cmd, lines := child(t, task, t.TempDir())
	if !lines.Scan() {
		t.Error("child says nothing")
	}
	t.Logf("%s in %v: %s", task, time.Since(start).Round(time.Millisecond), lines.Text())
	if _, err := fmt.Sscanf(lines.Text(), "rss %d", &kib); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return kib
}

// TestMemory_idle measures what opening a store adds, the engine's code that becomes resident included.
func TestMemory_idle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes more than the store")
	}
	if kib := childRSS(t, "idle"); kib > 15<<10 {
		t.Errorf("an idle store takes %d KiB", kib)
	}
}

// TestMemory_million measures the whole process, tests and runtime included.
func TestMemory_million(t *testing.T) {
	if raceEnabled || os.Getenv("SALTERN_LONG") == "" {
		t.Skip("a million items: minutes on a slow machine; SALTERN_LONG=1 without -race runs it")
	}
	if kib := childRSS(t, "million"); kib > 120<<10 {
		t.Errorf("a process with a million waiting items takes %d KiB", kib)
	}
}

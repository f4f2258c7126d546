package stock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestProcess_CPU(t *testing.T) {
	// The child works, the leader waits.
	p, err := Start("busy", []string{"sh", "-c", "(while :; do :; done) & wait"}, os.Environ(), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	err = Poll(t.Context(), "CPU time", patience, func() error {
		used, err := p.CPU()
		if err == nil && used < 3*clockTick {
			err = errors.New("used " + used.String())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestParseStat(t *testing.T) {
	group, ticks, err := parseStat("12 (a) b (c)) S 1 34 34 0 -1 4194560 1 2 3 4 10 20 300 4000 20 0 1 0 5\n")
	if err != nil || group != 34 || ticks != 4330 {
		t.Errorf("group %d, ticks %d, %v", group, ticks, err)
	}
	for _, bad := range []string{"", "12 (a) S 1", "12 (a) S 1 x 34 0 -1 4194560 1 2 3 4 10 20 300 4000 20"} {
		if _, _, err := parseStat(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	start := func(home string) *Process {
		t.Helper()
		p, err := Start("stray", []string{"sleep", "1000"}, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}, filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Kill() })
		return p
	}
	ours, other := start(filepath.Join(dir, "a")), start(dir+"x")
	err := Poll(t.Context(), "the stray to be found", patience, func() error {
		if n, err := Sweep(dir); err != nil || n != 1 {
			return errors.Join(err, errors.New("not there yet"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-ours.done:
	case <-time.After(patience):
		t.Error("the stray lives")
	}
	if status, ended := other.Exited(); ended {
		t.Errorf("a stranger was ended: %s", status)
	}
}

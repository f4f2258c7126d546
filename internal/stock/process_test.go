package stock

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 20 * time.Second

func TestRun(t *testing.T) {
	result, err := Run(t.Context(), []string{"sh", "-c", "echo out; echo err >&2; exit 3"}, os.Environ(), patience)
	if err != nil || result.Code != 3 || result.Stdout != "out\n" || result.Stderr != "err\n" {
		t.Errorf("result %+v, %v", result, err)
	}
	if line := (Result{Argv: []string{"salt", "*", "it's"}}).Line(); line != `salt '*' 'it'\''s'` {
		t.Errorf("line %s", line)
	}
	if _, err := Run(t.Context(), []string{"/nonexistent"}, nil, patience); err == nil {
		t.Error("a missing program ran")
	}
}

func TestRun_killsTheGroupAtTheDeadline(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	// The deadline is short because the command never ends by itself; the child has to go with it.
	_, err := Run(t.Context(), []string{"sh", "-c", "sleep 1000 & echo $! >" + pidFile + "; wait"}, os.Environ(), time.Second)
	if !errors.Is(err, ErrTimeout) {
		t.Fatalf("error %v, want ErrTimeout", err)
	}
	waitDead(t, pidFile)
}

func TestProcess_stopRemovesTheGroup(t *testing.T) {
	for _, test := range []struct {
		name, script string
		grace        time.Duration
		want         error
	}{
		{"leader ends at SIGTERM", "trap 'exit 0' TERM", patience, nil},
		{"leader has to be killed", "trap '' TERM", 100 * time.Millisecond, ErrTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			pidFile, log := filepath.Join(dir, "pid"), filepath.Join(dir, "log")
			script := test.script + "; sleep 1000 & echo $! >" + pidFile + "; echo ready; while :; do wait; done"
			p, err := Start("thing", []string{"sh", "-c", script}, os.Environ(), log)
			if err != nil {
				t.Fatal(err)
			}
			err = Poll(t.Context(), "start", patience, func() error {
				if !strings.Contains(p.Tail(5), "ready") {
					return errors.New("not ready")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if status, ended := p.Exited(); ended {
				t.Fatalf("ended early: %s", status)
			}
			if err := p.Stop(test.grace); !errors.Is(err, test.want) {
				t.Errorf("stop: %v, want %v", err, test.want)
			}
			if _, ended := p.Exited(); !ended {
				t.Error("still running")
			}
			waitDead(t, pidFile)
			if err := p.Kill(); err != nil {
				t.Errorf("kill after the end: %v", err)
			}
		})
	}
}

// waitDead polls until the process named in the file is gone or a zombie of somebody else.
func waitDead(t *testing.T, pidFile string) {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	err = Poll(t.Context(), "child to die", patience, func() error {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
			return nil
		}
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		return errors.New("alive")
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPoll(t *testing.T) {
	calls := 0
	err := Poll(t.Context(), "third look", patience, func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("after %d looks: %v", calls, err)
	}
	reason := errors.New("the reason")
	if err := Poll(t.Context(), "nothing", 0, func() error { return reason }); !errors.Is(err, ErrTimeout) || !errors.Is(err, reason) {
		t.Errorf("error %v, want ErrTimeout and the reason", err)
	}
	if err := Poll(t.Context(), "the dead", patience, func() error { return ErrGone }); !errors.Is(err, ErrGone) {
		t.Errorf("error %v, want ErrGone", err)
	}
}

func TestFreePort_neverTwice(t *testing.T) {
	seen := make(map[int]bool)
	for range 100 {
		port, err := FreePort("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("port %d twice", port)
		}
		seen[port] = true
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	root, err := os.MkdirTemp("/tmp", "stock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := (MasterConfig{Root: root, Interface: "127.0.0.2", PublishPort: 1, RequestPort: 2, Extra: []string{"a: b"}}).Write(dir); err != nil {
		t.Fatal(err)
	}
	if err := (MinionConfig{Root: root, ID: "m1", Master: "127.0.0.2", RequestPort: 2}).Write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"master": {"root_dir: " + root, "interface: 127.0.0.2", "publish_port: 1", "ret_port: 2", "a: b"},
		"minion": {"root_dir: " + root, "id: m1", "master: 127.0.0.2", "master_port: 2"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range want {
			if !strings.Contains(string(text), line+"\n") {
				t.Errorf("%s lacks %q:\n%s", name, line, text)
			}
		}
		if name == "minion" && strings.Contains(string(text), "publish_port") {
			t.Error("a minion's publish port is the announced one unless given")
		}
	}
	if err := (MasterConfig{Root: "/" + strings.Repeat("x", maxRoot)}).Write(dir); err == nil {
		t.Error("a root_dir too long for sockets was taken")
	}
}

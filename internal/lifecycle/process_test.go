package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The test binary plays the daemon: with this variable set it does the named part and exits.
const roleEnv = "LIFECYCLE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "lock":
		if _, err := LockInstance(os.Getenv("LOCK_DIR"), "salt-master"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(ExitBusy)
		}
		os.Exit(ExitOK)
	case "parent":
		os.Setenv(roleEnv, "child")
		status, err := StartBackground(20*time.Second, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(status)
	case "child":
		child()
	case "drop":
		drop()
	}
	os.Exit(99)
}

func child() {
	b := BackgroundChild()
	if b == nil || os.Getenv(backgroundEnv) != "" {
		os.Exit(98)
	}
	switch os.Getenv("CHILD_DOES") {
	case "ready":
		if err := b.Ready(); err != nil {
			os.Exit(97)
		}
		dir, _ := os.Getwd()
		sid, _, _ := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
		text := fmt.Sprintf("%s %v", dir, int(sid) == os.Getpid())
		if os.WriteFile(os.Getenv("CHILD_FILE"), []byte(text), 0o600) != nil {
			os.Exit(96)
		}
		os.Exit(0)
	case "fail":
		if b.Fail(ExitBusy, "port\ntaken") != nil {
			os.Exit(97)
		}
		os.Exit(ExitBusy)
	case "exit":
		os.Exit(ExitNoUser)
	case "end":
		os.Exit(0)
	}
	os.Exit(95)
}

func drop() {
	a, err := LookupAccount("nobody")
	if err == nil {
		err = DropPrivileges(a)
	}
	if err == nil {
		err = DropPrivileges(a) // again: nothing to do
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%v %s %v\n", os.Getuid() == a.UID && os.Getegid() == a.GID, os.Getenv("USER"), syscall.Setuid(0))
	os.Exit(0)
}

// self runs the test binary in a role.
func self(t *testing.T, role string, env ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, roleEnv+"="+role)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// until polls a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "salt-master.pid")
	p, err := WritePIDFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != strconv.Itoa(os.Getpid()) {
		t.Errorf("got %q, %v", b, err)
	}
	// Another instance's file stays.
	if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if pid, err := ReadPIDFile(path); pid != 1 || err != nil {
		t.Errorf("the other file is gone: %d, %v", pid, err)
	}
	if p, err = WritePIDFile(path); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Remove(), p.Remove()); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestReadPIDFile(t *testing.T) {
	for text, want := range map[string]int{"12": 12, "12\n": 12, "": 0, "x": 0, "-4": 0} {
		path := filepath.Join(t.TempDir(), "pid")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadPIDFile(path); got != want || err != nil {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
}

func TestLockInstance(t *testing.T) {
	dir := t.TempDir()
	l, err := LockInstance(dir, "salt-master")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockInstance(dir, "salt-master"); !errors.Is(err, ErrInstance) {
		t.Errorf("second lock in one process: %v", err)
	}
	status, _, stderr := self(t, "lock", "LOCK_DIR="+dir)
	if status != ExitBusy || !strings.Contains(stderr, "Is there another salt-master running?") {
		t.Errorf("second process: %d, %s", status, stderr)
	}
	other, err := LockInstance(dir, "salt-syndic")
	if err != nil {
		t.Errorf("another daemon of the same directory: %v", err)
	}
	if err := errors.Join(l.Release(), other.Release()); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr = self(t, "lock", "LOCK_DIR="+dir); status != ExitOK {
		t.Errorf("after release: %d, %s", status, stderr)
	}
}

// TestSignals uses the process's real signals; it is one test because they are process-wide.
func TestSignals(t *testing.T) {
	var hups, forced, profiles atomic.Int32
	var log bytes.Buffer
	dir := t.TempDir()
	s := HandleSignals(context.Background(), SignalConfig{
		Name: "Master", Title: "salt master", DumpDir: dir,
		Log:    slog.New(slog.NewTextHandler(&log, nil)),
		Hangup: func() { hups.Add(1) }, Force: func() { forced.Add(1) }, Profile: func() { profiles.Add(1) },
	})
	send := func(sig syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	send(syscall.SIGPIPE)
	send(syscall.SIGHUP)
	until(t, "SIGHUP", func() bool { return hups.Load() == 1 })
	send(syscall.SIGUSR2)
	until(t, "SIGUSR2", func() bool { return profiles.Load() == 1 })
	dumps := func() []string { m, _ := filepath.Glob(filepath.Join(dir, "salt-debug-*.log")); return m }
	send(syscall.SIGUSR1)
	until(t, "first dump", func() bool { return len(dumps()) == 1 })
	send(syscall.SIGUSR1)
	until(t, "second dump", func() bool { return len(dumps()) == 2 })
	if s.Goodbye() != "" || s.Context().Err() != nil {
		t.Error("stopped without a reason")
	}
	send(syscall.SIGTERM)
	<-s.Context().Done()
	send(syscall.SIGINT)
	until(t, "the second stop", func() bool { return forced.Load() == 1 })
	s.Close()
	if got := s.Goodbye(); got != "The salt master is shutdown. Master received a SIGTERM. Exited." {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(log.String(), "Master received a SIGTERM. Exiting.") {
		t.Errorf("log: %s", log.String())
	}
	b, err := os.ReadFile(dumps()[0])
	if err != nil || !bytes.Contains(b, []byte("TestSignals")) {
		t.Errorf("the dump does not show this test: %v", err)
	}
}

func TestDumpGoroutines_links(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "victim")
	for i := range int64(3) {
		if err := os.Symlink(target, filepath.Join(dir, fmt.Sprintf("salt-debug-%d.log", time.Now().Unix()+i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := DumpGoroutines(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("a planted link was followed")
	}
}

func TestRaiseFileLimit(t *testing.T) {
	l, err := RaiseFileLimit(1)
	if err != nil || l.Soft != l.Before {
		t.Errorf("lowered or failed: %+v, %v", l, err)
	}
	if l, err = RaiseFileLimit(0); err != nil || l.Soft != l.Hard {
		t.Errorf("got %+v, %v", l, err)
	}
	if got := l.String(); !strings.Contains(got, "of at most") {
		t.Error(got)
	}
}

// TestFileLimitAdvice is config-and-daemons §2.7.
func TestFileLimitAdvice(t *testing.T) {
	const critical = slog.Level(12)
	for _, tc := range []struct {
		n     uint64
		level slog.Level
		ok    bool
		crash bool
	}{{250, 0, false, false}, {251, slog.LevelInfo, true, false}, {334, slog.LevelWarn, true, false}, {500, critical, true, false}, {1000, critical, true, true}} {
		level, text, ok := FileLimitAdvice(tc.n, 1000, critical)
		if level != tc.level || ok != tc.ok || strings.Contains(text, "crash") != tc.crash {
			t.Errorf("%d: got %v %q %v", tc.n, level, text, ok)
		}
	}
}

func TestAccounts(t *testing.T) {
	_, err := LookupAccount("no-such-user-here")
	if !errors.Is(err, ErrNoUser) || err.Error() != "Failed to prepare the Salt environment for user no-such-user-here. The user is not available." {
		t.Errorf("got %v", err)
	}
	me, err := LookupAccount(strconv.Itoa(os.Getuid()))
	if err != nil || !me.Current() || DropPrivileges(me) != nil {
		t.Errorf("own account: %+v, %v", me, err)
	}
	if os.Getuid() != 0 {
		if err := DropPrivileges(&Account{Name: "x", UID: 0}); !errors.Is(err, ErrSwitch) {
			t.Errorf("got %v", err)
		}
		return
	}
	status, out, stderr := self(t, "drop")
	if status != 0 || out != "true nobody operation not permitted\n" {
		t.Errorf("got %d, %q, %s", status, out, stderr)
	}
}

func TestBackground(t *testing.T) {
	if BackgroundChild() != nil {
		t.Fatal("this process is no child")
	}
	var none *Background
	if err := errors.Join(none.Ready(), none.Fail(1, "x")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "child")
	for _, tc := range []struct {
		does   string
		status int
		stderr string
	}{
		{"ready", 0, ""},
		{"fail", ExitBusy, "port\ntaken\n"},
		{"exit", ExitNoUser, ""},
		{"end", ExitGeneric, "The daemon ended before it was ready: exit status 0\n"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			status, out, stderr := self(t, "parent", "CHILD_DOES="+tc.does, "CHILD_FILE="+file)
			if status != tc.status || out != "" || stderr != tc.stderr {
				t.Errorf("got %d, %q, %q", status, out, stderr)
			}
		})
	}
	until(t, "the child's file", func() bool { b, err := os.ReadFile(file); return err == nil && string(b) == "/ true" })
}

func TestParseReport(t *testing.T) {
	for line, want := range map[string]int{"ok\n": 0, "fail 4 \"x\"\n": 4, "fail x \"\"": 1, "fail 0 \"x\"": 1, "fail 999 \"\"": 1, "": 1, "okay": 1} {
		if got, _ := parseReport(line); got != want {
			t.Errorf("%q: got %d, want %d", line, got, want)
		}
	}
}

// TestNotify uses a real notification socket.
func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify(NotifyReady); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	path := filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	read := func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	for _, state := range []string{NotifyReady, NotifyStatus("x=1"), NotifyStopping} {
		if err := Notify(state); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != state {
			t.Errorf("got %q, want %q", got, state)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var calls, failures atomic.Int32
	done := make(chan error, 1)
	go func() {
		done <- watch(ctx, 20*time.Millisecond, func(context.Context) error {
			if calls.Add(1) == 2 {
				return io.ErrNoProgress
			}
			return nil
		}, func(error) { failures.Add(1) })
	}()
	read()
	read()
	cancel()
	if err := <-done; err != nil || calls.Load() < 3 || failures.Load() != 1 {
		t.Errorf("%d calls, %d failures, %v", calls.Load(), failures.Load(), err)
	}
	t.Setenv("WATCHDOG_USEC", "")
	if err := Watchdog(context.Background(), nil, nil); err != nil {
		t.Errorf("without a watchdog: %v", err)
	}
}

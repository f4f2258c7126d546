package logfmt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var moment = time.Date(2026, 11, 20, 13, 52, 11, 915_300_000, time.UTC)

func line(t *testing.T, c saltConfig, log func(*slog.Logger)) string {
	t.Helper()
	var b bytes.Buffer
	if c.jid == "" {
		c.jid = "[JID: %(jid)s]"
	}
	if c.name == "" {
		c.name = "salt.master"
	}
	h, err := newSalt(&b, LevelAll, c)
	if err != nil {
		t.Fatal(err)
	}
	h.env.pid = 32587
	h.env.start = moment.Add(-1500 * time.Millisecond)
	log(slog.New(fixedTime{h}))
	return strings.TrimSuffix(b.String(), "\n")
}

// fixedTime replaces the clock and the source line of every record.
type fixedTime struct{ slog.Handler }

func (h fixedTime) Handle(ctx context.Context, r slog.Record) error {
	n := slog.NewRecord(moment, r.Level, r.Message, 0)
	r.Attrs(func(a slog.Attr) bool { n.AddAttrs(a); return true })
	return h.Handler.Handle(ctx, n)
}

func (h fixedTime) WithAttrs(a []slog.Attr) slog.Handler { return fixedTime{h.Handler.WithAttrs(a)} }

func (h fixedTime) WithGroup(n string) slog.Handler { return fixedTime{h.Handler.WithGroup(n)} }

// TestFormats is config-and-daemons §3.
func TestFormats(t *testing.T) {
	info := func(msg string, args ...any) func(*slog.Logger) {
		return func(l *slog.Logger) { l.Info(msg, args...) }
	}
	for _, tc := range []struct {
		name, format, dates string
		log                 func(*slog.Logger)
		want                string
	}{
		{"file", DefaultFileFormat, "%Y-%m-%d %H:%M:%S", info("Setting up the Salt Master"), "2026-11-20 13:52:11,915 [salt.master      :0   ][INFO    ][32587] Setting up the Salt Master"},
		{"console", DefaultConsoleFormat, "", func(l *slog.Logger) { l.Warn("text") }, "[WARNING ] text"},
		{"critical", DefaultConsoleFormat, "", func(l *slog.Logger) { l.Log(context.Background(), LevelCritical, "x") }, "[CRITICAL] x"},
		{"trace", DefaultConsoleFormat, "", func(l *slog.Logger) { l.Log(context.Background(), LevelTrace, "x") }, "[TRACE   ] x"},
		{"component", "%(name)s|%(message)s", "", func(l *slog.Logger) { l.With("component", "master.auth").Info("x", "minion", "m1") }, "master.auth|x minion=m1"},
		{"short name", "%(name).4s|", "", info("x"), "salt|"},
		{"right aligned", "%(levelname)9s|", "", info("x"), "     INFO|"},
		{"zero padded", "%(process)08d %(msecs)05.1d", "", info("x"), "00032587 00915"},
		{"level number", "%(levelno)s", "", info("x"), "20"},
		{"percent", "100%% %(message)s", "", info("x"), "100% x"},
		{"jid", "%(jid)s %(message)s", "", info("x", "jid", "2026"), "[JID: 2026] x jid=2026"},
		{"no jid", "%(jid)s%(message)s", "", info("x"), "x"},
		{"created", "%(created).3f %(relativeCreated)d", "", info("x"), "1795182731.915 1500"},
		{"date", "%(asctime)s", "%d/%b/%Y %I:%M %p %f %%", info("x"), "20/Nov/2026 01:52 PM 915300 %"},
		{"colours", "%(colorlevel)s%(colorname)s%(colormsg)s", "", info("x"), green + "[INFO    ]" + noColor + green + "[salt.master      ]" + noColor + green + "x" + noColor},
		{"attributes", "%(message)s", "", info("x", "a", 1, "b", "two words", "c", errors.New("e=f"), "d", ""), `x a=1 b="two words" c="e=f" d=""`},
		{"groups", "%(message)s", "", func(l *slog.Logger) { l.WithGroup("g").With("a", 1).Info("x", slog.Group("h", "b", 2)) }, "x g.a=1 g.h.b=2"},
		{"one record, one line", "%(message)s", "", info("from evil\n[INFO] fake", "id", "a\nb\x1b[2J"), `from evil\n[INFO] fake id="a\nb\x1b[2J"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := line(t, saltConfig{format: tc.format, dates: tc.dates}, tc.log); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestBadFormats(t *testing.T) {
	for _, f := range []string{"%s", "%(nothing)s", "%(message)", "%(message)q", "%(message", "%", "%(message)99999999999s"} {
		if _, err := compile(f); err == nil {
			t.Errorf("%q was accepted", f)
		}
	}
}

func TestSourceLine(t *testing.T) {
	var b bytes.Buffer
	log, _, err := New(Config{Console: &b, Level: "info", ConsoleFormat: "%(filename)s:%(lineno)d %(funcName)s"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("x")
	NewLimiter(log, time.Hour).Log(context.Background(), slog.LevelInfo, "x")
	for l := range strings.Lines(b.String()) {
		if !regexp.MustCompile(`^logfmt_test\.go:\d+ .*TestSourceLine\n$`).MatchString(l) {
			t.Errorf("got %q", l)
		}
	}
}

func TestLevels(t *testing.T) {
	last := LevelAll - 1
	for _, name := range LevelNames() {
		l, err := ParseLevel(strings.ToUpper(name))
		if err != nil || l <= last {
			t.Errorf("%s: %v after %v, %v", name, l, last, err)
		}
		last = l
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("unknown level accepted")
	}
	if !Insecure(slog.LevelDebug) || Insecure(slog.LevelInfo) {
		t.Error("insecure levels are those below info")
	}
}

func TestNew_levelsAndJSON(t *testing.T) {
	var b bytes.Buffer
	file := filepath.Join(t.TempDir(), "sub", "master")
	log, sink, err := New(Config{Console: &b, Level: "warning", LevelFile: "debug", File: file, Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	log.Debug("fine", "n", 1)
	log.Error("bad")
	if got := strings.Count(b.String(), "\n"); got != 1 {
		t.Errorf("console has %d lines", got)
	}
	if err := sink.SetLevels("quiet", "error"); err != nil {
		t.Fatal(err)
	}
	log.Warn("dropped")
	if err := sink.SetLevels("x", "error"); err == nil {
		t.Error("unknown level accepted")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 2 {
		t.Fatalf("file has %q", data)
	}
	var rec struct{ Level, Msg string }
	if err := json.Unmarshal([]byte(lines[0]), &rec); err != nil || rec.Level != "DEBUG" || rec.Msg != "fine" {
		t.Errorf("got %+v, %v", rec, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestNew_refusals(t *testing.T) {
	for _, c := range []Config{
		{Level: "x"},
		{LevelFile: "x"},
		{Format: "xml"},
		{Console: io.Discard, ConsoleFormat: "%(x)s"},
		{File: "udp://host:514/LOG_NOPE"},
		{File: filepath.Join(os.DevNull, "x")},
		{File: filepath.Join(t.TempDir(), "f"), FileFormat: "%"},
	} {
		if _, _, err := New(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
	log, sink, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	log.Error("nowhere")
	if err := errors.Join(sink.Reopen(), sink.Chown(0, 0), sink.Close()); err != nil || sink.Lost() != 0 {
		t.Error(err)
	}
}

// TestSink_rotation: rename, removal and truncation by logrotate, without a signal.
func TestSink_rotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clock := time.Now()
	f.now = func() time.Time { return clock }
	put := func(s string) {
		t.Helper()
		if _, err := f.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(name, text string) {
		t.Helper()
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("%s: got %q, %v; want %q", filepath.Base(name), got, err, text)
		}
	}
	put("1")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	put("2") // within the second: still the old file
	clock = clock.Add(checkEvery)
	put("3")
	want(path+".1", "12")
	want(path, "3")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	put("4")
	want(path, "4")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	put("5")
	want(path, "5")
	// The directory is gone: the old file keeps receiving, and it is counted.
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(checkEvery)
	put("6")
	if f.Lost() != 1 {
		t.Errorf("lost %d", f.Lost())
	}
	if err := f.Reopen(); err == nil {
		t.Error("reopened without a directory")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("7")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

func TestLimiter(t *testing.T) {
	var b bytes.Buffer
	log, _, err := New(Config{Console: &b, Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	l := NewLimiter(log, time.Minute)
	clock := moment
	l.now = func() time.Time { return clock }
	ctx := context.Background()
	for range 9413 {
		l.Log(ctx, slog.LevelWarn, "Refused", "minion", "m")
	}
	l.Log(ctx, slog.LevelWarn, "Other")
	l.Log(ctx, slog.LevelDebug, "Unseen")
	if l.Suppressed() != 9412 {
		t.Errorf("suppressed %d", l.Suppressed())
	}
	clock = clock.Add(time.Minute)
	l.Log(ctx, slog.LevelWarn, "Refused", "minion", "n")
	l.Log(ctx, slog.LevelWarn, "Refused", "minion", "o")
	l.Flush(ctx, slog.LevelWarn)
	want := "[WARNING ] Refused minion=m\n[WARNING ] Other\n[WARNING ] Refused minion=n more=9412\n[WARNING ] Refused more=1\n"
	if b.String() != want {
		t.Errorf("got %s", b.String())
	}
	for i := range 2 * maxKinds {
		l.Log(ctx, slog.LevelWarn, fmt.Sprint(i))
	}
	if len(l.kinds) > maxKinds+1 {
		t.Errorf("%d kinds kept", len(l.kinds))
	}
}

func TestConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, sink, err := New(Config{Level: "info", File: path})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				log.Info("line", "k", "v")
			}
			if err := sink.Reopen(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Count(string(data), "] line k=v\n") != 800 {
		t.Errorf("%d whole lines, %v", strings.Count(string(data), "] line k=v\n"), err)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(DefaultFileFormat, "%H:%M:%S", "m")
	f.Add("%(jid)-3.2s%%%(msecs)03d", "%", "\xff\n")
	f.Fuzz(func(t *testing.T, format, dates, msg string) {
		h, err := newSalt(io.Discard, LevelAll, saltConfig{format: format, dates: dates, jid: "[%(jid)s]", name: "n"})
		if err != nil {
			return
		}
		if err := h.Handle(context.Background(), slog.NewRecord(moment, slog.LevelInfo, msg, 0)); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkFileRecord(b *testing.B) {
	log, sink, err := New(Config{Level: "info", File: filepath.Join(b.TempDir(), "log")})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	b.ReportAllocs()
	for b.Loop() {
		log.Info("Authentication accepted", "minion", "web1", "took", time.Millisecond)
	}
}

// TestFile_chown: the account that writes the log must be able to open it anew, so it gets the directories made for it and
// no other.
func TestFile_chown(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 65534, 65534
	}
	dir := t.TempDir()
	f, err := openFile(filepath.Join(dir, "a", "b", "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Chown(uid, gid); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"": os.Getuid(), "a": uid, "a/b": uid, "a/b/log": uid} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != want {
			t.Errorf("%q belongs to %d, want %d", path, got, want)
		}
	}
}

package status

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/unixsocket"
)

// fake is a source whose report a test makes.
type fake struct {
	asked atomic.Int64
	make  func() Report
}

func (f *fake) Status() Report {
	f.asked.Add(1)
	if f.make != nil {
		return f.make()
	}
	return syndicReport()
}

// shortDir is a directory whose sockets have names the kernel takes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "st")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serve runs a server until the test ends. change works on it before it runs.
func serve(t *testing.T, cfg Config, source Source, change func(*Server)) (*Server, *Client) {
	t.Helper()
	if cfg.Socket == "" {
		cfg.Socket = filepath.Join(shortDir(t), SyndicSocket)
	}
	if cfg.Every == 0 {
		cfg.Every = time.Hour
	}
	s, err := Listen(cfg, source)
	if err != nil {
		t.Fatal(err)
	}
	s.limits.fresh = 0
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, NewClient(cfg.Socket)
}

func TestServer_report(t *testing.T) {
	s, c := serve(t, Config{}, &fake{}, nil)
	info, err := os.Stat(s.cfg.Socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v %v", info, err)
	}
	got, err := c.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := syndicReport()
	if diff := cmp.Diff(want.Sections, got.Sections); diff != "" {
		t.Errorf("the sections changed on the way:\n%s", diff)
	}
	if len(got.Problems) != 2 || got.Problems[0].Kind != LinkDown || got.Problems[1].Kind != QueueUp {
		t.Errorf("problems: %+v", got.Problems)
	}
	if v, ok := got.Metrics.Value(metrics.LinkUp, "mom2"); !ok || v != 0 || len(got.Metrics.Faults) > 0 {
		t.Errorf("metrics: %v %v, faults %q", v, ok, got.Metrics.Faults)
	}
	if v, ok := got.Metrics.Value(metrics.Problems, QueueUp); !ok || v != 1 {
		t.Errorf("problems: %v %v", v, ok)
	}
}

func TestServer_pages(t *testing.T) {
	ready := make(chan struct{})
	s, c := serve(t, Config{MetricsAddress: ":0", Ready: ready}, &fake{}, nil)
	if host, _, _ := net.SplitHostPort(s.MetricsAddr()); host != "127.0.0.1" {
		t.Errorf("listens on %s", s.MetricsAddr())
	}
	tests := []struct {
		method, page, body string
		unix, tcp          int
	}{
		{"GET", "/healthz", "", 200, 200},
		{"GET", "/readyz", "", 503, 503},
		{"GET", "/metrics", "", 200, 200},
		{"HEAD", "/metrics", "", 200, 200},
		{"GET", "/status", "", 200, 404},
		{"GET", "/", "", 404, 404},
		{"GET", "/status/x", "", 404, 404},
		{"POST", "/status", "", 405, 405},
		{"DELETE", "/metrics", "", 405, 405},
		{"GET", "/metrics", "x", 400, 400},
	}
	ask := func(client *http.Client, host, method, page, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+host+page, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if page == "/metrics" && method == "GET" && resp.StatusCode == 200 && !bytes.Contains(text, []byte("\nsaltern_link_up{upstream=\"mom2\"} 0\n")) {
			t.Errorf("%s: got %s", page, text)
		}
		return resp.StatusCode
	}
	tcp := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tt := range tests {
		t.Run(tt.method+tt.page+tt.body, func(t *testing.T) {
			if got := ask(c.http, "x", tt.method, tt.page, tt.body); got != tt.unix {
				t.Errorf("socket: %d, want %d", got, tt.unix)
			}
			if got := ask(tcp, s.MetricsAddr(), tt.method, tt.page, tt.body); got != tt.tcp {
				t.Errorf("TCP: %d, want %d", got, tt.tcp)
			}
		})
	}
	close(ready)
	if got := ask(c.http, "x", "GET", "/readyz", ""); got != 200 {
		t.Errorf("ready: %d", got)
	}
}

func TestServer_readySince(t *testing.T) {
	ready := make(chan struct{})
	source := &fake{make: func() Report {
		r := syndicReport()
		r.Ready = time.Time{}
		return r
	}}
	_, c := serve(t, Config{Ready: ready}, source, nil)
	r, err := c.Report(t.Context())
	if err != nil || !r.Ready.IsZero() || r.Problems[0].Kind != Starting {
		t.Errorf("before: %v, %v, %v", err, r.Ready, r.Problems)
	}
	close(ready)
	if r, err = c.Report(t.Context()); err != nil || !r.Ready.Equal(noon) || len(r.Problems) != 2 {
		t.Errorf("after: %v, %v, %v", err, r.Ready, r.Problems)
	}
}

// TestServer_hostile sends what no client would, and looks that the server still answers.
func TestServer_hostile(t *testing.T) {
	s, c := serve(t, Config{MetricsAddress: "127.0.0.1:0"}, &fake{}, func(s *Server) {
		s.limits.header, s.limits.read, s.limits.idle = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
		s.limits.connections = 4
	})
	tests := map[string]string{
		"nothing":          "",
		"half a line":      "GET /sta",
		"half a head":      "GET /status HTTP/1.1\r\nHost: x\r\n",
		"not http":         "\x00\x01\x02\xff\xfe\r\n\r\n",
		"zmtp":             "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL",
		"tls":              "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"http2":            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"endless header":   "GET /status HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20),
		"many headers":     "GET /status HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 1<<16),
		"endless line":     "GET /" + strings.Repeat("a", 1<<20),
		"unending chunks":  "POST /status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("5\r\nhello\r\n", 1000),
		"huge body":        "GET /status HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nabc",
		"negative body":    "GET /status HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"other file":       "GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"connect":          "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"two at once":      "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"smuggled lengths": "GET /status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	}
	for _, network := range []struct{ name, address string }{{"unix", s.cfg.Socket}, {"tcp", s.MetricsAddr()}} {
		for name, text := range tests {
			t.Run(network.name+" "+name, func(t *testing.T) {
				t.Parallel()
				conn, err := net.Dial(network.name, network.address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
					t.Fatal(err)
				}
				written := make(chan struct{})
				go func() {
					defer close(written)
					_, _ = io.WriteString(conn, text) // the server may have had enough of it
				}()
				// The server ends every one of these connections by itself, the idle ones too.
				if _, err := io.Copy(io.Discard, conn); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection stays open")
				}
				<-written
			})
		}
	}
	t.Cleanup(func() {
		if _, err := c.Report(context.Background()); err != nil {
			t.Errorf("no report afterwards: %v", err)
		}
	})
}

// TestServer_slowReaders takes every connection there is and reads nothing; others are served when the write
// limit has ended them.
func TestServer_slowReaders(t *testing.T) {
	big := func() Report {
		r := syndicReport()
		for range 20000 {
			r.Sections = append(r.Sections, Section{Title: strings.Repeat("x", 100)})
		}
		return r
	}
	_, c := serve(t, Config{}, &fake{make: big}, func(s *Server) {
		s.limits.connections, s.limits.write, s.limits.read = 2, 300*time.Millisecond, 100*time.Millisecond
	})
	for range 2 {
		conn, err := net.Dial("unix", c.path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "another reader is served", func() bool {
		_, err := c.get(t.Context(), "/healthz")
		return err == nil
	})
}

func TestServer_concurrent(t *testing.T) {
	source := &fake{}
	inside := atomic.Int64{}
	source.make = func() Report {
		if inside.Add(1) != 1 {
			t.Error("Status is called twice at once")
		}
		defer inside.Add(-1)
		return syndicReport()
	}
	_, c := serve(t, Config{Every: time.Millisecond}, source, func(s *Server) { s.limits.fresh = time.Hour })
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if _, err := c.get(t.Context(), []string{"/status", "/metrics"}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := source.asked.Load(); n != 1 {
		t.Errorf("the source was asked %d times while its report was fresh", n)
	}
}

func TestServer_brokenSource(t *testing.T) {
	log, lines := newLog()
	broken := atomic.Bool{}
	broken.Store(true)
	source := &fake{make: func() Report {
		if broken.Load() {
			panic("the secret of the source")
		}
		return syndicReport()
	}}
	_, c := serve(t, Config{Every: time.Millisecond, Log: log}, source, nil)
	var all string
	waitFor(t, "the failure is logged", func() bool { all += lines.take(); return strings.Contains(all, "No status report") })
	_, err := c.Report(t.Context())
	if err == nil || !strings.Contains(err.Error(), "503") || strings.Contains(err.Error()+all, "secret") {
		t.Errorf("got %v, logged %s", err, all)
	}
	if n := strings.Count(all, "No status report"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if _, err := c.get(t.Context(), "/healthz"); err != nil {
		t.Errorf("health: %v", err)
	}
	broken.Store(false)
	if _, err := c.Report(t.Context()); err != nil {
		t.Errorf("after it recovered: %v", err)
	}
}

func TestServer_hangingSource(t *testing.T) {
	release := make(chan struct{})
	source := &fake{make: func() Report { <-release; return syndicReport() }}
	_, c := serve(t, Config{}, source, func(s *Server) { s.limits.look = 20 * time.Millisecond })
	first := make(chan error, 1)
	go func() {
		_, err := c.Report(context.Background())
		first <- err
	}()
	waitFor(t, "the source is asked", func() bool { return source.asked.Load() == 1 })
	if _, err := c.Report(t.Context()); err == nil || !strings.Contains(err.Error(), "takes longer") {
		t.Errorf("second: %v", err)
	}
	if _, err := c.get(t.Context(), "/readyz"); err != nil {
		t.Errorf("readyz: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("first: %v", err)
	}
}

// TestServer_watches looks that changes reach the log though nobody asks.
func TestServer_watches(t *testing.T) {
	log, lines := newLog()
	serve(t, Config{Every: time.Millisecond, Log: log}, &fake{}, nil)
	var all string
	waitFor(t, "the log", func() bool {
		all += lines.take()
		return strings.Contains(all, "Link is up") && strings.Contains(all, "Queue is nearly full") && strings.Contains(all, "Link is down")
	})
	golden(t, "watch.log", all)
}

func TestListen_failures(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, SyndicSocket)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := Listen(Config{Socket: path}, &fake{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		cfg  Config
		want error
	}{
		"in use":       {Config{Socket: path}, unixsocket.ErrInUse},
		"no socket":    {Config{Socket: file}, unixsocket.ErrPath},
		"too long":     {Config{Socket: filepath.Join(dir, strings.Repeat("x", 100))}, unixsocket.ErrPath},
		"port in use":  {Config{Socket: filepath.Join(dir, "o"), MetricsAddress: busy.Addr().String()}, nil},
		"no port":      {Config{Socket: filepath.Join(dir, "o"), MetricsAddress: "127.0.0.1"}, nil},
		"no directory": {Config{Socket: filepath.Join(file, "o")}, nil},
	} {
		s, err := Listen(tt.cfg, &fake{})
		if err == nil {
			t.Errorf("%s: no error", name)
			_ = s.Close()
		} else if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestListen_stale takes over from a daemon that was killed, and leaves a successor's socket alone.
func TestListen_stale(t *testing.T) {
	path := filepath.Join(shortDir(t), SyndicSocket)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(path).Report(t.Context()); !errors.Is(err, ErrDown) {
		t.Errorf("stale socket: %v", err)
	}
	s, err := Listen(Config{Socket: path}, &fake{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, c := serve(t, Config{Socket: path}, &fake{}, nil)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Report(t.Context()); err != nil {
		t.Errorf("the successor: %v", err)
	}
}

func TestServer_removesSocket(t *testing.T) {
	path := filepath.Join(shortDir(t), "sub", MasterSocket) // the directory is made
	s, err := Listen(Config{Socket: path, MetricsAddress: "[::1]:0"}, &fake{})
	if err != nil {
		if s, err = Listen(Config{Socket: path}, &fake{}); err != nil { // no IPv6 here
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket still there: %v", err)
	}
	if _, err := NewClient(path).Report(t.Context()); !errors.Is(err, ErrDown) {
		t.Errorf("got %v", err)
	}
}

func TestMetricsAddress(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		loopback bool
	}{
		{":9464", "127.0.0.1:9464", true},
		{"localhost:1", "localhost:1", true},
		{"[::1]:1", "[::1]:1", true},
		{"0.0.0.0:1", "0.0.0.0:1", false},
		{"10.0.0.1:1", "10.0.0.1:1", false},
		{"example:1", "example:1", false},
	} {
		if got, loopback, err := metricsAddress(tt.in); err != nil || got != tt.want || loopback != tt.loopback {
			t.Errorf("%s: got %s %v %v", tt.in, got, loopback, err)
		}
	}
}

// TestClient_hostile answers with what no server of ours would.
func TestClient_hostile(t *testing.T) {
	for name, tt := range map[string]struct{ answer, want string }{
		"nothing":   {"", "EOF"},
		"not http":  {"hello\r\n\r\n", "malformed"},
		"no report": {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]", "not a report"},
		"half":      {"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"pid\":", "unexpected EOF"},
		"refused":   {"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nx\x1b[0m", `503 No: "x\x1b[0m"`},
		"endless":   {"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("[", maxReport+1), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(shortDir(t), "s")
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, tt.answer)
				_ = conn.Close()
			})
			if _, err := NewClient(path).Report(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			_ = ln.Close()
			wg.Wait()
		})
	}
}

func FuzzReport(f *testing.F) {
	seed := syndicReport()
	complete(&seed)
	text, err := json.Marshal(seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"sections":[{"queues":[{"depth":-1,"capacity":1,"oldest_seconds":1e300}],"links":[{}],"sums":[{}],"rows":[{}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Report
		if json.Unmarshal(b, &r) != nil {
			return
		}
		if err := r.WriteText(io.Discard); err != nil {
			t.Error(err)
		}
		NewWatcher(discard).Observe(&r)
		complete(&r)
	})
}

func BenchmarkReport(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r := syndicReport()
		NewWatcher(discard).Observe(&r)
		complete(&r)
		if err := r.Metrics.WriteText(io.Discard); err != nil {
			b.Fatal(fmt.Errorf("write: %w", err))
		}
	}
}

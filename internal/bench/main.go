package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// settings are the flags.
type settings struct {
	saltern string // binary; "" = built for this run
	repeat  int
	peers   int // connections of the sign-in and return rows
	minions int // of the job rows
	idle    int // of the memory row
	behind  int // minions behind the broker
	only    string
	dir     string // of this run
}

func main() {
	var s settings
	flag.StringVar(&s.saltern, "saltern", "", "binary to measure (default: build ./cmd/saltern)")
	flag.IntVar(&s.repeat, "repeat", 5, "measurements per row")
	flag.IntVar(&s.peers, "peers", 500, "connections that sign in and return")
	flag.IntVar(&s.minions, "minions", 2000, "minions of a job")
	flag.IntVar(&s.idle, "idle", 1000, "idle minions of the memory row")
	flag.StringVar(&s.only, "only", "", "comma list of groups: floors, signin, returns, jobs, memory, broker, relay")
	flag.IntVar(&s.behind, "behind", 1000, "idle minions behind the broker")
	proxy := flag.String("proxy-server", "", "be the bare proxy before publish,request (used by the program itself)")
	echo := flag.Bool("echo-server", false, "be the bare ROUTER (used by the program itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return s.run(ctx) }
	if *echo {
		run = serveEcho
	}
	if *proxy != "" {
		run = func() error { return serveProxy(*proxy) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// group is a set of rows measured together.
type group struct {
	name string
	run  func(context.Context, *settings, *table) error
}

// groups in order: later rows use the floors of the first.
var groups = []group{
	{"floors", measureFloors},
	{"signin", measureSignIns},
	{"returns", measureReturns},
	{"jobs", measureJobs},
	{"memory", measureMemory},
	{"broker", measureBroker},
	{"relay", measureRelay},
}

func (s *settings) run(ctx context.Context) (err error) {
	if s.repeat < 1 || s.peers < 1 || s.minions < 1 || s.idle < 1 || s.behind < 1 {
		return errors.New("-repeat, -peers, -minions, -idle and -behind must be at least 1")
	}
	if s.dir, err = os.MkdirTemp("", "saltern-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	if err := s.build(ctx); err != nil {
		return err
	}
	fmt.Printf("%s, %d cores, %s, %s, load %s\n", runtime.GOARCH, runtime.NumCPU(), runtime.Version(), cpuModel(), load())
	var t table
	for _, g := range groups {
		if s.only != "" && !strings.Contains(","+s.only+",", ","+g.name+",") {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", g.name)
		if err := g.run(ctx, s, &t); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	t.print(os.Stdout)
	fmt.Printf("load at the end %s\n", load())
	return nil
}

// build makes the binary unless one was given.
func (s *settings) build(ctx context.Context) error {
	if s.saltern != "" {
		path, err := exec.LookPath(s.saltern)
		s.saltern = path
		return err
	}
	s.saltern = filepath.Join(s.dir, "saltern")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", s.saltern, "./cmd/saltern")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build saltern: %w", err)
	}
	return nil
}

// load is the load average of the last minute: figures from a busy machine are too high.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// Deadlines, generous for two slow cores under load; a healthy run uses a tenth of them.
const (
	startTimeout   = 90 * time.Second  // a daemon until it is ready, a minion until it has signed in
	commandTimeout = 120 * time.Second // one salt, salt-key or salt-run command
	settleTimeout  = 120 * time.Second // a tier until it works again
	stopGrace      = 60 * time.Second  // a daemon after SIGTERM: stock ones take up to 10 s each on an idle core
	eventTimeout   = 60 * time.Second  // an event that is due
	stepTimeout    = 10 * time.Minute  // one cell of the matrix, its daemons included when it is the first of its group
)

// Bench owns the processes, sockets and files of one group.
type Bench struct {
	Column *Column
	Dir    string
	Trace  io.Writer // commands and their results; io.Discard unless asked for

	processes []*stock.Process
	mayHang   map[*stock.Process]bool // stock daemons, see stop
	buses     []*stock.Bus
	links     []*stock.Link

	figure string // of the step that runs
	notes  []string
}

// measured keeps a short figure for the step's cell of the matrix.
func (b *Bench) measured(format string, args ...any) { b.figure = fmt.Sprintf(format, args...) }

// note keeps a sentence that is printed below the matrix.
func (b *Bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// start runs a daemon with its log at <dir>/<name>.log; the log of an earlier run of the name is continued.
func (b *Bench) start(name string, software stock.Software, role stock.Role, configDir string) (*stock.Process, error) {
	argv, err := software.Argv(role, "-c", configDir)
	if err != nil {
		return nil, err
	}
	process, err := stock.Start(name, argv, b.environ(software), filepath.Join(b.Dir, name+".log"))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(b.Trace, "    started %s (%s %s), process %d\n", name, software.Label(), role, process.PID())
	b.processes = append(b.processes, process)
	if software.Label() == "stock" {
		if b.mayHang == nil {
			b.mayHang = map[*stock.Process]bool{}
		}
		b.mayHang[process] = true
	}
	return process, nil
}

// stop ends a daemon with SIGTERM. A stock one that does not go (seen now and then on a busy machine, with stock all
// around it) is killed and the step goes on: what comes back afterwards is what the step is about. saltern has to go.
func (b *Bench) stop(process *stock.Process) error {
	err := process.Stop(stopGrace)
	if errors.Is(err, stock.ErrTimeout) && b.mayHang[process] {
		fmt.Fprintf(b.Trace, "    killed stock %s, which did not end at SIGTERM\n", process.Name)
		return nil
	}
	return err
}

// run executes one command against a config directory.
func (b *Bench) run(ctx context.Context, software stock.Software, role stock.Role, configDir string, args ...string) (stock.Result, error) {
	argv, err := software.Argv(role, append([]string{"-c", configDir}, args...)...)
	if err != nil {
		return stock.Result{}, err
	}
	result, err := stock.Run(ctx, argv, b.environ(software), commandTimeout)
	fmt.Fprintf(b.Trace, "    $ %s\n      status %d after %s\n%s%s", result.Line(), result.Code,
		result.Took.Round(time.Millisecond), indent(result.Stdout, "      | "), indent(result.Stderr, "      ! "))
	return result, err
}

// environ keeps ~/.salt_token and the like of the person running the harness out of it.
func (b *Bench) environ(software stock.Software) []string {
	return append(software.Environ(), "HOME="+b.Dir)
}

func (b *Bench) dial(ctx context.Context, path string) (*stock.Bus, error) {
	bus, err := stock.DialBus(ctx, path)
	if err != nil {
		return nil, err
	}
	b.buses = append(b.buses, bus)
	return bus, nil
}

// link opens a forwarder from one address to another.
func (b *Bench) link(listen, target string) (*stock.Link, error) {
	link, err := stock.OpenLink(listen, target)
	if err != nil {
		return nil, err
	}
	b.links = append(b.links, link)
	return link, nil
}

// Close kills what still runs. Nothing is said to the daemons: stopping well is tested by its own steps.
func (b *Bench) Close() error {
	var faults []error
	for _, bus := range b.buses {
		// The far end may be gone already; a closed reader is all that matters here.
		_ = bus.Close()
	}
	for _, process := range b.processes {
		faults = append(faults, process.Kill())
	}
	for _, link := range b.links {
		faults = append(faults, link.Close())
	}
	return errors.Join(faults...)
}

// Tails is the end of every daemon's log.
func (b *Bench) Tails(lines int) string {
	var text strings.Builder
	shown := make(map[string]bool)
	for _, process := range b.processes {
		if shown[process.Log] {
			continue
		}
		shown[process.Log] = true
		fmt.Fprintf(&text, "--- %s (%s)\n%s", process.Name, process.Log, indent(process.Tail(lines), "  "))
	}
	return text.String()
}

// subdir makes a directory of the bench.
func (b *Bench) subdir(name string) (string, error) {
	dir := filepath.Join(b.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make bench directory: %w", err)
	}
	return dir, nil
}

func indent(text, prefix string) string {
	if text == "" {
		return ""
	}
	return prefix + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+prefix) + "\n"
}

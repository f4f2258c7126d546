package demo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a process gets after SIGTERM before it is killed.
const stopTimeout = 20 * time.Second

// process is one running child.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // after done
}

// start runs the binary with args in the background, its output in a log file of its own.
func (t *Tier) start(name string, args ...string) error {
	path := filepath.Join(t.Dir, name+".log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close()
	p := &process{name: name, log: path, done: make(chan struct{}), cmd: exec.Command(t.self, args...)}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// Children die with their parent, also when it is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.procs = append(t.procs, p)
	return nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// lastLines is the end of the process's log, for an error.
func (p *process) lastLines() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// Stop ends every process, the last one started first, and reports those that did not end well.
func (t *Tier) Stop() error {
	var errs []error
	for i := len(t.procs) - 1; i >= 0; i-- {
		p := t.procs[i]
		if p.ended() {
			errs = append(errs, fmt.Errorf("%s had ended before: %w", p.name, errors.Join(p.err, errors.New(p.lastLines()))))
			continue
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			errs = append(errs, err)
		}
		select {
		case <-p.done:
			if p.err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p.name, p.err))
			}
		case <-time.After(stopTimeout):
			errs = append(errs, fmt.Errorf("%s did not stop within %v", p.name, stopTimeout), p.cmd.Process.Kill())
			<-p.done
		}
	}
	t.procs = nil
	return errors.Join(errs...)
}

func currentUser() string {
	u, err := user.Current()
	if err != nil {
		return "root"
	}
	return u.Username
}

package stock

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// killWait bounds the wait for a killed leader to be reaped.
const killWait = 10 * time.Second

// Process is one running daemon with its own process group and log file.
type Process struct {
	Name string
	Log  string // path of the file holding stdout and stderr

	cmd  *exec.Cmd
	done chan struct{} // closed when the leader has been reaped; err is set before
	err  error
}

// Start runs argv with stdout and stderr appended to logPath. The caller must end it with Stop or Kill.
func Start(name string, argv, env []string, logPath string) (*Process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	if closeErr := log.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, Log: logPath, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process id of the leader, which is also the id of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited reports whether the leader has ended and how.
func (p *Process) Exited() (status string, ended bool) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.String(), true
	default:
		return "", false
	}
}

// Stop sends SIGTERM to the leader, as a service manager does, waits up to grace, and removes what is left
// of the group. It returns ErrTimeout when the leader had to be killed.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		if _, ended := p.Exited(); !ended {
			return fmt.Errorf("stop %s: %w", p.Name, err)
		}
	}
	select {
	case <-p.done:
		return killGroup(p.PID())
	case <-time.After(grace):
		if err := p.Kill(); err != nil {
			return err
		}
		return fmt.Errorf("stop %s: still there %s after SIGTERM: %w", p.Name, grace, ErrTimeout)
	}
}

// Kill sends SIGKILL to the whole group and waits for the leader.
func (p *Process) Kill() error {
	if err := killGroup(p.PID()); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(killWait):
		return fmt.Errorf("kill %s: process %d was not reaped: %w", p.Name, p.PID(), ErrTimeout)
	}
}

// Tail is the last lines of the log, at most 64 KiB read.
func (p *Process) Tail(lines int) string {
	const window = 64 << 10
	file, err := os.Open(p.Log)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err.Error()
	}
	start := max(0, info.Size()-window)
	text := make([]byte, info.Size()-start)
	n, _ := file.ReadAt(text, start)
	rows := bytes.Split(bytes.TrimRight(text[:n], "\n"), []byte("\n"))
	return string(bytes.Join(rows[max(0, len(rows)-lines):], []byte("\n")))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// startTimeout bounds the start and the stop of a child.
const startTimeout = 30 * time.Second

// child is a running process under measurement.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; after done
}

func startChild(cmd *exec.Cmd) (*child, error) {
	// The child dies with this program, also when that is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// stop ends the child with SIGTERM and reports an unclean end.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s ended before: %w", c.cmd.Path, errors.Join(err, c.err))
	}
	select {
	case <-c.done:
		return c.err
	case <-time.After(startTimeout):
		return errors.Join(fmt.Errorf("%s did not stop", c.cmd.Path), c.cmd.Process.Kill())
	}
}

// clockTick is the unit of the times in /proc/<pid>/stat: USER_HZ, 100 on every Linux of Go.
const clockTick = 10 * time.Millisecond

// cpu is the CPU time the child has used, user and system, all threads.
func (c *child) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("stat of process %d: %d fields", c.cmd.Process.Pid, len(fields))
	}
	var sum time.Duration
	for _, field := range fields[11:13] { // utime, stime
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("stat of process %d: %w", c.cmd.Process.Pid, err)
		}
		sum += time.Duration(ticks) * clockTick
	}
	return sum, nil
}

// measure returns the CPU time of the child while run works.
func (c *child) measure(run func() error) (time.Duration, error) {
	before, err := c.cpu()
	if err != nil {
		return 0, err
	}
	if err := run(); err != nil {
		return 0, err
	}
	after, err := c.cpu()
	return after - before, err
}

// memory returns a size of /proc/<pid>/status (VmRSS, VmHWM …) in MiB.
func (c *child) memory(name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s of process %d", name, c.cmd.Process.Pid)
}

// master is a running `saltern master`.
type master struct {
	*child
	dir     string
	request string // host:port
	retPort int
	pubPort int
	key     string // local key of this user
	user    string
}

// startMaster runs a fresh master that accepts every key, and returns when it answers.
func (s *settings) startMaster(ctx context.Context) (_ *master, err error) {
	dir, err := os.MkdirTemp(s.dir, "m")
	if err != nil {
		return nil, err
	}
	u, err := user.Current()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("id: bench\nroot_dir: %[1]s\npki_dir: %[1]s/pki\ncachedir: %[1]s/cache\nsock_dir: %[1]s/s\nlog_file: %[1]s/log\n"+
		"pidfile: %[1]s/pid\ninterface: 127.0.0.1\nret_port: %[2]d\npublish_port: %[3]d\nuser: %[4]s\nauto_accept: True\nminimum_auth_version: 2\n",
		dir, ports[0], ports[1], u.Username)
	if err := os.WriteFile(filepath.Join(dir, "master"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(s.saltern, "master", "-c", dir, "-l", "error")
	log, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stderr = log
	m := &master{dir: dir, retPort: ports[0], pubPort: ports[1], request: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])), user: u.Username}
	if m.child, err = startChild(cmd); err != nil {
		return nil, err
	}
	if err := m.await(ctx); err != nil {
		return nil, errors.Join(err, m.stop())
	}
	key, err := os.ReadFile(filepath.Join(dir, "cache", "."+u.Username+"_key"))
	if err != nil {
		return nil, errors.Join(err, m.stop())
	}
	m.key = string(key)
	return m, nil
}

// await returns when the master answers a ping.
func (m *master) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ping := wire.AppendClear(nil, wire.AppendCommand(nil, wire.CmdPing, wire.Proof{}), 3)
	for {
		p, err := dialPeer(m.request)
		if err == nil {
			_, err = p.do(ping)
			return errors.Join(err, p.Close())
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-m.done:
			said, _ := os.ReadFile(filepath.Join(m.dir, "stderr")) // empty when there is none
			return fmt.Errorf("master ended at its start: %w\n%s", m.err, said)
		case <-ctx.Done():
			return fmt.Errorf("master does not answer: %w", err)
		}
	}
}

// freePorts finds n ports nobody listens on.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at the end, so that no two are the same
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

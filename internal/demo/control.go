package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
)

// StopMaster ends a master of the tier with a signal and waits until it is gone: SIGTERM as an operator does, SIGKILL as
// a power cut.
func (t *Tier) StopMaster(ctx context.Context, m *Master, sig syscall.Signal) error {
	for i, p := range t.procs {
		if p.name != "master-"+m.Name || p.ended() {
			continue
		}
		if err := p.cmd.Process.Signal(sig); err != nil {
			return err
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return fmt.Errorf("%s does not stop: %w", p.name, context.Cause(ctx))
		}
		t.procs = append(t.procs[:i], t.procs[i+1:]...)
		return nil
	}
	return fmt.Errorf("no master %s runs", m.Name)
}

// SockDir is where a master's event bus and status sockets are.
func (m *Master) SockDir() string { return filepath.Join(m.Config, "var/run/salt/master") }

// StartMaster starts a master again and returns when it listens.
func (t *Tier) StartMaster(ctx context.Context, m *Master) error { return t.startMaster(ctx, m) }

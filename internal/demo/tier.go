package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Master is one master of the tier.
type Master struct {
	Name     string // also the name of its directory
	Config   string // its configuration directory
	JobCache string // where it keeps its jobs
	Ret, Pub int    // ports
}

// Tier is the set of processes. Make it with NewTier; Stop ends whatever was started.
type Tier struct {
	Dir       string
	self      string
	perHost   int
	swarmArgs []string
	tops      []*Master
	mids      []*Master
	procs     []*process
}

// Tops are the masters of masters.
func (t *Tier) Tops() []*Master { return t.tops }

// Hosts are the masters of the mid-tier hosts; the syndic beside each has its name.
func (t *Tier) Hosts() []*Master { return t.mids }

// Minions is how many minions the tier has.
func (t *Tier) Minions() int { return t.perHost * len(t.mids) }

// IDs lists the minions' ids, sorted.
func (t *Tier) IDs() []string {
	var ids []string
	for _, m := range t.mids {
		for i := range t.perHost {
			ids = append(ids, fmt.Sprintf("%s-%03d", m.Name, i))
		}
	}
	slices.Sort(ids)
	return ids
}

// Start starts the tier from the top down and says so; it returns when every minion is signed in
// and every syndic is accepted at both tops.
func (t *Tier) Start(ctx context.Context, out io.Writer) error {
	for _, m := range t.tops {
		fmt.Fprintf(out, "Starting %s: master of masters, ports %d and %d\n", m.Name, m.Pub, m.Ret)
		if err := t.startMaster(ctx, m); err != nil {
			return err
		}
	}
	for _, m := range t.mids {
		fmt.Fprintf(out, "Starting %s: master, ports %d and %d, and a syndic under %s\n", m.Name, m.Pub, m.Ret, counted(len(t.tops), "top"))
		if err := t.startMaster(ctx, m); err != nil {
			return err
		}
		if err := t.startSyndic(m); err != nil {
			return err
		}
	}
	for _, top := range t.tops {
		for _, m := range t.mids {
			if err := t.accept(ctx, top, m.Name); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "Accepted the keys of %s at %s (salt-key -a)\n", counted(len(t.mids), "syndic"), top.Name)
	}
	for _, m := range t.mids {
		fmt.Fprintf(out, "Starting %d simulated minions under %s\n", t.perHost, m.Name)
		ready := filepath.Join(m.Config, "swarm-ready")
		args := []string{
			"swarm", "--master", fmt.Sprintf("127.0.0.1:%d", m.Ret), "--minions", fmt.Sprint(t.perHost),
			"--id-template", m.Name + "-%03d", "--ready-file", ready, "--progress", "never", "--stats-file", filepath.Join(m.Config, "swarm.json"),
		}
		if err := t.start("swarm-"+m.Name, append(args, t.swarmArgs...)...); err != nil {
			return err
		}
		if err := t.await(ctx, "minions of "+m.Name, func() bool { return exists(ready) }); err != nil {
			return err
		}
	}
	// The syndics are up once both tops have heard their start events.
	for _, top := range t.tops {
		for _, m := range t.mids {
			mark := filepath.Join(top.Config, "var/cache/salt/master/syndics", m.Name)
			if err := t.await(ctx, "syndic "+m.Name+" at "+top.Name, func() bool { return exists(mark) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// counted is a number of things in words that fit.
func counted(n int, thing string) string {
	if n == 1 {
		return "one " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (t *Tier) startSyndic(m *Master) error {
	return t.start("syndic-"+m.Name, "syndic", "-c", m.Config)
}

func (t *Tier) startMaster(ctx context.Context, m *Master) error {
	if err := t.start("master-"+m.Name, "master", "-c", m.Config); err != nil {
		return err
	}
	return t.await(ctx, "master "+m.Name, func() bool { return listening(m.Ret) && listening(m.Pub) })
}

// accept waits for the key of id to come in at top, and accepts it as an operator does.
func (t *Tier) accept(ctx context.Context, top *Master, id string) error {
	pending := filepath.Join(top.Config, "etc/salt/pki/master/minions_pre", id)
	if err := t.await(ctx, "key of "+id+" at "+top.Name, func() bool { return exists(pending) }); err != nil {
		return err
	}
	_, err := t.Run(ctx, "key", "-c", top.Config, "-y", "-a", id)
	return err
}

// Run runs one saltern command to its end and returns its standard output.
func (t *Tier) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.self, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("saltern %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// await polls a condition; it fails early when a process has ended.
func (t *Tier) await(ctx context.Context, what string, ok func() bool) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		for _, p := range t.procs {
			if p.ended() {
				return fmt.Errorf("waiting for %s: %s ended: %s", what, p.name, p.lastLines())
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		case <-ticker.C:
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func listening(port int) bool {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// freePorts finds n ports that are free now. They are held together, so that no two are the same.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Branch is a branch office: simulated minions behind a broker, which has two masters with one key pair.
//
//	50 minions ──► broker ──► master-a, in use
//	                     └──► master-b, stands by
type Branch struct {
	Tier      *Tier // its tops are the masters; it has no hosts
	minions   int
	filtering bool
	config    string // the broker's
	pub, ret  int    // the broker's ports
}

// NewBranch makes the directory and writes the configurations; nothing runs yet. self is the binary.
func NewBranch(self string, minions int, filtering bool) (*Branch, error) {
	dir, err := os.MkdirTemp("", "saltern-demo-")
	if err != nil {
		return nil, err
	}
	b := &Branch{Tier: &Tier{Dir: dir, self: self}, minions: minions, filtering: filtering, config: filepath.Join(dir, "broker")}
	if err := b.write(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

func (b *Branch) write() error {
	ports, err := freePorts(6)
	if err != nil {
		return err
	}
	b.pub, b.ret = ports[4], ports[5]
	text := fmt.Sprintf("root_dir: %s\ninterface: 127.0.0.1\npublish_port: %d\nret_port: %d\nuser: %s\nlog_level: info\nmaster:\n", b.config, b.pub, b.ret, currentUser())
	for i, name := range []string{"master-a", "master-b"} {
		m := &Master{Name: name, Config: filepath.Join(b.Tier.Dir, name), Ret: ports[2*i], Pub: ports[2*i+1]}
		b.Tier.tops = append(b.Tier.tops, m)
		if err := m.write(fmt.Sprintf("auto_accept: True\ntimeout: 10\nzmq_filtering: %v\n", b.filtering)); err != nil {
			return err
		}
		text += fmt.Sprintf("  - {host: 127.0.0.1, ret_port: %d, publish_port: %d}\n", m.Ret, m.Pub)
	}
	if err := os.MkdirAll(b.config, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.config, "broker"), []byte(text), 0o600)
}

// IDs lists the minions' ids, sorted.
func (b *Branch) IDs() []string {
	var ids []string
	for i := range b.minions {
		ids = append(ids, fmt.Sprintf("branch-%03d", i))
	}
	slices.Sort(ids)
	return ids
}

// Start starts everything; it returns when every minion has signed in through the broker.
func (b *Branch) Start(ctx context.Context, out io.Writer) error {
	t := b.Tier
	for i, m := range t.tops {
		if i > 0 {
			if err := m.sameKeys(t.tops[0]); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "Starting %s, ports %d and %d\n", m.Name, m.Pub, m.Ret)
		if err := t.startMaster(ctx, m); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "Starting the broker, ports %d and %d, before both\n", b.pub, b.ret)
	if err := t.start("broker", "broker", "-c", b.config); err != nil {
		return err
	}
	if err := t.await(ctx, "broker", func() bool { use, err := b.InUse(ctx); return err == nil && use != "none" }); err != nil {
		return err
	}
	fmt.Fprintf(out, "Starting %d simulated minions behind the broker\n", b.minions)
	ready := filepath.Join(t.Dir, "swarm-ready")
	args := []string{
		"swarm", "--master", fmt.Sprintf("127.0.0.1:%d", b.ret), "--publish-port", fmt.Sprint(b.pub), "--minions", fmt.Sprint(b.minions),
		"--id-template", "branch-%03d", "--ready-file", ready, "--progress", "never", "--stats-file", filepath.Join(t.Dir, "swarm.json"),
	}
	if b.filtering {
		args = append(args, "--zmq-filtering")
	}
	if err := t.start("swarm", args...); err != nil {
		return err
	}
	if err := t.await(ctx, "minions", func() bool { return exists(ready) }); err != nil {
		return err
	}
	// What an operator of two masters does whenever keys were accepted.
	const accepted = "etc/salt/pki/master/minions"
	return os.CopyFS(filepath.Join(t.tops[1].Config, accepted), os.DirFS(filepath.Join(t.tops[0].Config, accepted)))
}

// sameKeys gives m the key pair of another master, as masters have that take over from each other.
func (m *Master) sameKeys(from *Master) error {
	const pki = "etc/salt/pki/master"
	if err := os.MkdirAll(filepath.Join(m.Config, pki), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"master.pem", "master.pub"} {
		data, err := os.ReadFile(filepath.Join(from.Config, pki, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(m.Config, pki, name), data, 0o400); err != nil {
			return err
		}
	}
	return nil
}

// Address is how the broker names the master.
func (m *Master) Address() string { return fmt.Sprintf("127.0.0.1:%d:%d", m.Ret, m.Pub) }

// Kill ends a master as a power cut does.
func (b *Branch) Kill(ctx context.Context, m *Master) error {
	return b.Tier.StopMaster(ctx, m, syscall.SIGKILL)
}

// InUse is the master that the broker uses, as its status tells.
func (b *Branch) InUse(ctx context.Context) (string, error) {
	text, _, err := b.row(ctx, "Masters", "in use")
	return text, err
}

// Sent is how many publications the broker has sent, one for each subscriber.
func (b *Branch) Sent(ctx context.Context) (int64, error) {
	_, n, err := b.row(ctx, "Publications", "sent")
	return n, err
}

// Status is what `saltern status broker` prints. A standby that is away makes its exit status 2, which is no error here.
func (b *Branch) Status(ctx context.Context, args ...string) (string, error) {
	out, err := b.Tier.Run(ctx, append([]string{"status", "-c", b.config, "broker"}, args...)...)
	if out != "" {
		err = nil
	}
	return out, err
}

func (b *Branch) row(ctx context.Context, title, name string) (string, int64, error) {
	out, err := b.Status(ctx, "--json")
	if err != nil {
		return "", 0, err
	}
	var got map[string]struct {
		Report *struct {
			Sections []struct {
				Title string
				Rows  []struct {
					Name, Text string
					Value      int64
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		return "", 0, fmt.Errorf("status of the broker: %w", err)
	}
	if r := got["salt-broker"].Report; r != nil {
		for _, s := range r.Sections {
			for _, row := range s.Rows {
				if s.Title == title && row.Name == name {
					return row.Text, row.Value, nil
				}
			}
		}
	}
	return "", 0, fmt.Errorf("the broker's status has no %s/%s", title, name)
}

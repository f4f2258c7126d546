package demo

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of a Shape.
const (
	MaxTops  = 8
	MaxHosts = 16
)

// Shape is how large a tier is.
type Shape struct {
	Tops    int // masters of masters, 1 … MaxTops
	Hosts   int // mid-tier hosts, each a master with a syndic, 1 … MaxHosts
	PerHost int // simulated minions under each

	// Upstreams, when set, says what each syndic has in syndic_master instead of the addresses of the tops. It is called
	// once their ports are known.
	Upstreams func(tops []*Master) ([]string, error)

	// More lines for the master file of every top, and for that of every host.
	TopConfig, HostConfig string

	SwarmArgs []string // more options of `saltern swarm`
}

func (s Shape) check() error {
	if s.Tops < 1 || s.Tops > MaxTops || s.Hosts < 1 || s.Hosts > MaxHosts || s.PerHost < 1 {
		return fmt.Errorf("a tier of %d tops, %d hosts and %d minions per host is not possible: 1 to %d tops, 1 to %d hosts", s.Tops, s.Hosts, s.PerHost, MaxTops, MaxHosts)
	}
	return nil
}

// NewTier makes the directory and writes the configurations; nothing runs yet. self is the binary.
func NewTier(self string, shape Shape) (*Tier, error) {
	if err := shape.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "saltern-demo-")
	if err != nil {
		return nil, err
	}
	t := &Tier{Dir: dir, self: self, perHost: shape.PerHost, swarmArgs: shape.SwarmArgs}
	if err := t.write(shape); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return t, nil
}

// write makes the configurations of all daemons.
func (t *Tier) write(shape Shape) error {
	ports, err := freePorts(2 * (shape.Tops + shape.Hosts))
	if err != nil {
		return err
	}
	for i := range shape.Tops + shape.Hosts {
		name := fmt.Sprintf("mom-%c", 'a'+i)
		if i >= shape.Tops {
			name = fmt.Sprintf("mid-%d", i-shape.Tops+1)
		}
		m := &Master{Name: name, Config: filepath.Join(t.Dir, name), Ret: ports[2*i], Pub: ports[2*i+1]}
		m.JobCache = filepath.Join(m.Config, "var/cache/salt/master/saltern/jobs")
		if i < shape.Tops {
			t.tops = append(t.tops, m)
		} else {
			t.mids = append(t.mids, m)
		}
	}
	upstreams := make([]string, len(t.tops))
	for i, m := range t.tops {
		upstreams[i] = net.JoinHostPort("127.0.0.1", fmt.Sprint(m.Ret))
	}
	if shape.Upstreams != nil {
		if upstreams, err = shape.Upstreams(t.tops); err != nil {
			return err
		}
	}
	for _, m := range t.tops {
		// syndic_wait is how long the client waits for syndics it has not heard of.
		err = errors.Join(err, m.write("order_masters: True\nsyndic_wait: 1\ntimeout: 10\n"+shape.TopConfig))
	}
	for _, m := range t.mids {
		err = errors.Join(err,
			m.write("auto_accept: True\nsyndic_master: ["+strings.Join(upstreams, ", ")+"]\n"+shape.HostConfig),
			os.WriteFile(filepath.Join(m.Config, "minion"), []byte("id: "+m.Name+"\nroot_dir: "+m.Config+"\nacceptance_wait_time: 1\n"), 0o600))
	}
	return err
}

// write makes the directory and the master file of m.
func (m *Master) write(more string) error {
	if err := os.MkdirAll(m.Config, 0o700); err != nil {
		return err
	}
	text := fmt.Sprintf("id: %s\nroot_dir: %s\ninterface: 127.0.0.1\nret_port: %d\npublish_port: %d\nuser: %s\nlog_level: info\n%s",
		m.Name, m.Config, m.Ret, m.Pub, currentUser(), more)
	return os.WriteFile(filepath.Join(m.Config, "master"), []byte(text), 0o600)
}

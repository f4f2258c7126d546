package scenario

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// host is one machine of a tier, played by a loopback address: a master, perhaps with a syndic beside it.
type host struct {
	bench     *Bench
	name      string
	address   string
	root      string
	configDir string
	publish   int
	request   int

	masterSoftware stock.Software
	syndicSoftware stock.Software
	master, syndic *stock.Process
	swarm          *stock.Process // nil: no simulated minions
	bus            *stock.Bus
	tally          tally
	listening      time.Time // when both ports took connections after the last start
}

// hostOptions say what is special about a host's master.
type hostOptions struct {
	master stock.Software
	extra  []string // further master options
	above  *host    // master of masters; nil: none
	syndic stock.Software
	sid    string // the syndic's id

	publish, request int      // ports; 0: free ones
	through          []string // addresses that lead to masters of masters, instead of above; with its ports
	aboveRequest     int
	abovePublish     int
}

func newHost(b *Bench, name, address string, opts hostOptions) (*host, error) {
	dir, err := b.subdir(name)
	if err != nil {
		return nil, err
	}
	h := &host{
		bench: b, name: name, address: address, masterSoftware: opts.master, syndicSoftware: opts.syndic,
		root: filepath.Join(dir, "r"), configDir: filepath.Join(dir, "c"),
	}
	h.publish, h.request = opts.publish, opts.request
	for _, port := range []*int{&h.publish, &h.request} {
		if *port != 0 {
			continue
		}
		if *port, err = stock.FreePort(address); err != nil {
			return nil, err
		}
	}
	if above := opts.above; above != nil {
		opts.through, opts.aboveRequest, opts.abovePublish = []string{above.address}, above.request, above.publish
	}
	extra := append([]string(nil), opts.extra...)
	if len(opts.through) > 0 {
		extra = append(extra, "syndic_master: ["+strings.Join(opts.through, ", ")+"]",
			fmt.Sprintf("syndic_master_port: %d", opts.aboveRequest))
		err = stock.MinionConfig{Root: h.root, ID: opts.sid, PublishPort: opts.abovePublish}.Write(h.configDir)
		if err != nil {
			return nil, err
		}
	}
	return h, stock.MasterConfig{
		Root: h.root, Interface: address, PublishPort: h.publish, RequestPort: h.request, Extra: extra,
	}.Write(h.configDir)
}

// startMaster starts the master and returns when it takes requests and its event bus is read.
func (h *host) startMaster(ctx context.Context) error {
	var err error
	h.master, err = h.bench.start(h.name+"-master", h.masterSoftware, stock.Master, h.configDir)
	if err != nil {
		return err
	}
	sockets := stock.SockDir(h.root)
	h.listening = time.Time{}
	return stock.Poll(ctx, h.master.Name+" ready", startTimeout, func() error {
		if err := running(h.master); err != nil {
			return err
		}
		if h.listening.IsZero() {
			if err := h.answers(ctx); err != nil {
				return err
			}
			h.listening = time.Now()
		}
		if _, err := os.Stat(filepath.Join(sockets, "publish_pull.ipc")); err != nil {
			return err
		}
		h.bus = nil
		return h.listen(ctx)
	})
}

// listen connects to the event bus unless it is connected. A connection made while a killed master comes up
// again may be cut once more by it.
func (h *host) listen(ctx context.Context) error {
	if h.bus != nil && h.bus.Err() == nil {
		return nil
	}
	bus, err := h.bench.dial(ctx, filepath.Join(stock.SockDir(h.root), "master_event_pub.ipc"))
	if err != nil {
		return err
	}
	h.bus = bus
	return nil
}

// answers tells whether both ports accept connections.
func (h *host) answers(ctx context.Context) error {
	for _, port := range []int{h.publish, h.request} {
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(h.address, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		if err := conn.Close(); err != nil {
			return err
		}
	}
	return nil
}

// startSyndic starts the syndic; its sign-in is seen at the master above.
func (h *host) startSyndic() error {
	var err error
	h.syndic, err = h.bench.start(h.name+"-syndic", h.syndicSoftware, stock.Syndic, h.configDir)
	return err
}

// running is an error that ends a poll when the process is gone.
func running(p *stock.Process) error {
	if status, ended := p.Exited(); ended {
		return fmt.Errorf("%s has ended (%s): %w", p.Name, status, stock.ErrGone)
	}
	return nil
}

// waitPending returns when id's key lies in the pending directory.
func (h *host) waitPending(ctx context.Context, by *stock.Process, id string) error {
	path := filepath.Join(stock.PKIDir(h.root), "minions_pre", id)
	return stock.Poll(ctx, "pending key of "+id+" at "+h.name, startTimeout, func() error {
		if err := running(by); err != nil {
			return err
		}
		if err := running(h.master); err != nil {
			return err
		}
		_, err := os.Stat(path)
		return err
	})
}

// accept accepts id with the key command of software and returns what that printed.
func (h *host) accept(ctx context.Context, software stock.Software, id string) (stock.Result, error) {
	result, err := h.bench.run(ctx, software, stock.Key, h.configDir, "-y", "-a", id)
	if err != nil {
		return result, err
	}
	if _, err := os.Stat(filepath.Join(stock.PKIDir(h.root), "minions", id)); err != nil {
		return result, fmt.Errorf("%s did not accept %s: status %d, %q, %q", software.Label(), id, result.Code,
			result.Stdout, result.Stderr)
	}
	return result, nil
}

// waitEvent waits for tag on the host's bus from position on.
func (h *host) waitEvent(ctx context.Context, position int, tag string) (stock.Event, error) {
	return h.bus.Wait(ctx, tag+" at "+h.name, position, startTimeout, func(e stock.Event) bool { return e.Tag == tag })
}

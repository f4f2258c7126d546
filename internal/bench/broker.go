package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/status"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// Sizes of the broker's rows.
const (
	brokerPeers   = 200  // connections that ask, one request at a time
	brokerRounds  = 100  // requests of each
	brokerReaders = 100  // subscribers
	brokerBurst   = 3000 // publications of a burst
	probeRequests = 1000 // one after the other, for the latency
)

// measureBroker compares the broker with libzmq's bare proxy, both before the same echo server and the same publisher,
// in turns; and it measures a broker with many idle minions.
func measureBroker(ctx context.Context, s *settings, t *table) error {
	if err := s.brokerRates(ctx, t); err != nil {
		return err
	}
	direct, err := s.fanOutDirect(ctx)
	if err != nil {
		return err
	}
	return s.brokerIdle(ctx, t, direct)
}

// middle is the broker or the proxy.
type middle struct {
	*child
	publish, request string // host:port
	requests, pubs   row    // per second
	perRequest       row    // CPU of the process alone: says more than a rate on a busy machine
	perDelivery      row
}

func (s *settings) brokerRates(ctx context.Context, t *table) error {
	echo, echoAddr, err := startEcho(ctx)
	if err != nil {
		return err
	}
	defer echo.cmd.Process.Kill()
	source, err := newSource()
	if err != nil {
		return err
	}
	defer source.listener.Close()
	broker, err := s.startBroker(ctx, source.addr, echoAddr)
	if err != nil {
		return err
	}
	defer broker.stop()
	proxy := &middle{}
	if proxy.child, proxy.publish, proxy.request, err = startProxy(ctx, source.addr, echoAddr); err != nil {
		return err
	}
	defer proxy.cmd.Process.Kill()
	for _, m := range []*middle{proxy, broker} {
		name := map[bool]string{true: "broker", false: "bare libzmq proxy"}[m == broker]
		m.requests = row{name: fmt.Sprintf("requests through the %s, %d connections", name, brokerPeers), unit: "/s"}
		m.pubs = row{name: fmt.Sprintf("publications through the %s, %d subscribers", name, brokerReaders), unit: "/s", least: m == broker}
		m.perRequest = row{name: "of it per request", unit: "ms CPU"}
		m.perDelivery = row{name: "of it per delivery", unit: "ms CPU"}
	}
	broker.requests.least = true
	for range s.repeat {
		for _, m := range []*middle{proxy, broker} {
			if err := m.round(source); err != nil {
				return err
			}
		}
	}
	for _, pair := range [][2]*row{
		{&proxy.requests, &broker.requests},
		{&proxy.perRequest, &broker.perRequest},
		{&proxy.pubs, &broker.pubs},
		{&proxy.perDelivery, &broker.perDelivery},
	} {
		pair[1].floor = pair[0].median()
		if pair[1].least {
			pair[1].aim = 0.8 * pair[1].floor
		}
	}
	for _, m := range []*middle{proxy, broker} {
		for _, r := range []row{m.requests, m.perRequest, m.pubs, m.perDelivery} {
			t.add(r)
		}
	}
	return nil
}

// round measures requests, then publications, once.
func (m *middle) round(source *source) error {
	var rate float64
	used, err := m.measure(func() (err error) { rate, err = requestRate(m.request); return err })
	if err != nil {
		return err
	}
	m.requests.values = append(m.requests.values, rate)
	m.perRequest.values = append(m.perRequest.values, milliseconds(used)/(brokerPeers*brokerRounds))
	used, err = m.measure(func() (err error) { rate, err = source.rate(m.publish); return err })
	if err != nil {
		return err
	}
	m.pubs.values = append(m.pubs.values, rate)
	m.perDelivery.values = append(m.perDelivery.values, milliseconds(used)/(brokerReaders*brokerBurst))
	return nil
}

// startBroker runs a broker before one master and returns when it serves.
func (s *settings) startBroker(ctx context.Context, publish, request string) (*middle, error) {
	dir, err := os.MkdirTemp(s.dir, "b")
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
	_, pubPort, err := net.SplitHostPort(publish)
	if err != nil {
		return nil, err
	}
	_, reqPort, err := net.SplitHostPort(request)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("root_dir: %s\nsock_dir: /s\nlog_file: /log\ninterface: 127.0.0.1\npublish_port: %d\nret_port: %d\nuser: %s\n"+
		"master: 127.0.0.1\nsaltern_master_publish_port: %s\nsaltern_master_ret_port: %s\npub_hwm: %d\nsaltern_subscriber_bytes: 1073741824\n",
		dir, ports[0], ports[1], u.Username, pubPort, reqPort, 2*brokerBurst)
	if err := os.WriteFile(filepath.Join(dir, "broker"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(s.saltern, "broker", "-c", dir, "-l", "error")
	cmd.Stderr = os.Stderr
	m := &middle{publish: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])), request: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[1]))}
	if m.child, err = startChild(cmd); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		report, err := status.NewClient(filepath.Join(dir, "s", status.BrokerSocket)).Report(ctx)
		if err == nil && !report.Ready.IsZero() {
			return m, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-m.done:
			return nil, fmt.Errorf("broker ended at its start: %w", m.err)
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("broker does not serve: %w", err), m.stop())
		}
	}
}

// requestRate is how many requests of a return's size are answered in a second.
func requestRate(addr string) (float64, error) {
	peers, err := dialPeers(addr, brokerPeers)
	if err != nil {
		return 0, err
	}
	defer closePeers(peers)
	body := bytes.Repeat([]byte{'x'}, returnBytes+100)
	if _, err := peers[0].do(body); err != nil { // everything is connected
		return 0, err
	}
	began := time.Now()
	err = together(len(peers), func(i int) error {
		for range brokerRounds {
			if _, err := peers[i].do(body); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(brokerPeers*brokerRounds) / time.Since(began).Seconds(), err
}

// source is a publisher that drops nothing, with one peer: the broker or the proxy under test.
type source struct {
	listener *zmtp.Listener
	addr     string

	mu   sync.Mutex
	subs map[*zmtp.Conn]int // subscriptions
}

func newSource() (*source, error) {
	s := &source{subs: map[*zmtp.Conn]int{}}
	l, err := zmtp.Listen("tcp://127.0.0.1:0", zmtp.Config{Role: zmtp.RoleXPub, Handler: s, SendQueue: 2 * brokerBurst, SendQueueBytes: 1 << 30})
	if err != nil {
		return nil, err
	}
	s.listener, s.addr = l, l.Addr()[len("tcp://"):]
	return s, nil
}

func (s *source) Opened(*zmtp.Conn) error      { return nil }
func (s *source) Message(*zmtp.Conn, [][]byte) {}
func (s *source) Closed(c *zmtp.Conn, _ error) { s.Subscribed(c, nil, false) }
func (s *source) Subscribed(c *zmtp.Conn, _ []byte, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.subs[c]++
	} else {
		delete(s.subs, c)
	}
	return nil
}

// subscribed returns the peer that passes a subscription up.
func (s *source) subscribed() (*zmtp.Conn, error) {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		for c := range s.subs {
			s.mu.Unlock()
			return c, nil
		}
		s.mu.Unlock()
	}
	return nil, errors.New("no subscription was passed up")
}

// rate is how many publications of a job's size each of the subscribers gets in a second, sent as fast as possible.
func (s *source) rate(addr string) (float64, error) {
	readers := make([]*reader, brokerReaders)
	for i := range readers {
		r, err := subscribe(addr)
		if err != nil {
			return 0, err
		}
		defer r.Close()
		readers[i] = r
	}
	to, err := s.subscribed()
	if err != nil {
		return 0, err
	}
	body := bytes.Repeat([]byte{'x'}, 600)
	// Until everybody has one there may be somebody whose subscription is still on its way.
	if err := s.warm(to, readers, body); err != nil {
		return 0, err
	}
	began := time.Now()
	failed := make(chan error, 1)
	go func() {
		for range brokerBurst {
			if err := to.Send([][]byte{[]byte("burst"), body}); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	err = together(len(readers), func(i int) error { return readers[i].burst(brokerBurst) })
	return brokerBurst / time.Since(began).Seconds(), errors.Join(err, <-failed)
}

// warm publishes until every reader has got something.
func (s *source) warm(to *zmtp.Conn, readers []*reader, body []byte) error {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				_ = to.Send([][]byte{[]byte("warm"), body}) // ends with the readers' error
			}
		}
	})
	err := together(len(readers), func(i int) error { _, err := readers[i].topic(); return err })
	close(stop)
	wg.Wait()
	return err
}

// reader is a subscriber on plain TCP.
type reader struct{ *peer }

func subscribe(addr string) (*reader, error) {
	p, err := dialAs(addr, "SUB")
	if err != nil {
		return nil, err
	}
	_, err = p.Write([]byte{0, 1, 1}) // everything
	return &reader{p}, err
}

// topic reads one publication and returns its first frame.
func (r *reader) topic() (string, error) {
	if err := r.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return "", err
	}
	return r.read()
}

func (r *reader) read() (string, error) {
	first := ""
	for i := 0; ; i++ {
		flags, body, err := r.frame()
		if err != nil {
			return "", err
		}
		if flags&4 != 0 {
			i--
			continue
		}
		if i == 0 {
			first = string(body)
		}
		if flags&1 == 0 {
			return first, nil
		}
	}
}

// burst reads n publications of a burst, whatever came before.
func (r *reader) burst(n int) error {
	if err := r.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return err
	}
	for got := 0; got < n; {
		topic, err := r.read()
		if err != nil {
			return fmt.Errorf("after %d of %d publications: %w", got, n, err)
		}
		if topic == "burst" {
			got++
		}
	}
	return nil
}

// brokerIdle measures a broker with idle minions: its memory, and what it adds to a request and to a publication, which takes
// fanOut milliseconds to as many minions of the master itself.
func (s *settings) brokerIdle(ctx context.Context, t *table, fanOut float64) (err error) {
	m, err := s.startMaster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	b, err := s.startBroker(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(m.pubPort)), m.request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	empty := row{name: "broker without minions, resident", unit: "MiB"}
	if err := b.note(&empty, "VmRSS"); err != nil {
		return err
	}
	stop, err := s.swarms(ctx, b.publish, b.request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	resident := row{name: fmt.Sprintf("broker with %d idle minions, resident", s.behind), unit: "MiB", floor: empty.values[0]}
	peak := row{name: "broker while they signed in, most resident", unit: "MiB"}
	if err := errors.Join(b.note(&resident, "VmRSS"), b.note(&peak, "VmHWM")); err != nil {
		return err
	}
	direct := row{name: "request straight to the master, one at a time", unit: "ms"}
	through := row{name: fmt.Sprintf("request through the broker with %d minions", s.behind), unit: "ms"}
	added := row{name: "of it added by the broker", unit: "ms", aim: 1}
	for range s.repeat {
		d, err := latency(m.request)
		if err != nil {
			return err
		}
		v, err := latency(b.request)
		if err != nil {
			return err
		}
		direct.values, through.values, added.values = append(direct.values, d), append(through.values, v), append(added.values, v-d)
	}
	behind, err := s.fanOut(ctx, m, b.publish)
	if err != nil {
		return err
	}
	last := row{name: fmt.Sprintf("publication to the last of %d minions through the broker", s.behind+1), unit: "ms", values: behind, floor: fanOut}
	for _, r := range []row{empty, resident, peak, direct, through, added, last} {
		t.add(r)
	}
	return nil
}

func (m *middle) note(r *row, name string) error {
	v, err := m.child.memory(name)
	r.values = append(r.values, v)
	return err
}

// latency is the median time of a ping request, one after the other, in milliseconds.
func latency(addr string) (float64, error) {
	p, err := dialPeer(addr)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	ping := wire.AppendClear(nil, wire.AppendCommand(nil, wire.CmdPing, wire.Proof{}), 3)
	times := make([]float64, probeRequests)
	for i := range times {
		began := time.Now()
		if _, err := p.do(ping); err != nil {
			return 0, err
		}
		times[i] = milliseconds(time.Since(began))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

package zmtp

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Dial connects to "tcp://host:port", or "tcp://localHost:localPort;host:port", and shakes hands, within ctx and
// HandshakeTimeout. The connection lives until Close or the peer ends it; it is not made again. Wait for Done
// after Close to know that the Handler is left alone.
func Dial(ctx context.Context, endpoint string, cfg Config) (*Conn, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	a, err := splitEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{KeepAliveConfig: cfg.Keepalive.config(), Timeout: cfg.HandshakeTimeout}
	d.SetMultipathTCP(false)
	if cfg.Keepalive.Off {
		d.KeepAlive = -1
	}
	if a.local != "" {
		if d.LocalAddr, err = net.ResolveTCPAddr("tcp", a.local); err != nil {
			return nil, fmt.Errorf("%w: endpoint %q: %w", ErrConfig, endpoint, err)
		}
	}
	nc, err := d.DialContext(ctx, a.network, net.JoinHostPort(a.host, a.port))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", endpoint, err)
	}
	h := newHub(cfg)
	c, err := newConn(h, nc.(*net.TCPConn))
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("connect to %s: %w", endpoint, err)
	}
	c.done = make(chan struct{})
	stop := context.AfterFunc(ctx, func() { c.fail(context.Cause(ctx)) })
	h.add(c)
	rest, err := c.open()
	if !stop() && err == nil || errors.Is(err, ErrClosed) {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.fail(err)
		h.remove(c)
		return nil, fmt.Errorf("handshake with %s: %w", endpoint, c.reason)
	}
	if cfg.WriteTimeout > 0 || cfg.HeartbeatIvl > 0 || cfg.MessageTimeout > 0 {
		h.startSweeper()
	}
	go func() {
		c.live(rest)
		h.end()
		close(c.done)
	}()
	return c, nil
}

// Subscribe asks a publisher for everything that begins with topic.
func (c *Conn) Subscribe(topic []byte) error { return c.subscribe(1, topic) }

// Unsubscribe ends a subscription.
func (c *Conn) Unsubscribe(topic []byte) error { return c.subscribe(0, topic) }

// subscribe sends the form of ZMTP 2.0 and 3.0, which every publisher understands.
func (c *Conn) subscribe(on byte, topic []byte) error {
	return c.Send([][]byte{append([]byte{on}, topic...)})
}

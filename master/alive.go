package master

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// Alive proves that the master answers: it sends itself a `ping` over its own request port and looks
// whether the store lives. For a watchdog, which must not be fed by a goroutine that is merely
// scheduled.
func (m *Master) Alive(ctx context.Context) error {
	select {
	case err := <-m.jobs.Dead():
		return storeDied(err)
	default:
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(m.reqs.Addr(), "tcp://"))
	if err != nil {
		return err
	}
	switch host {
	case "0.0.0.0", "*":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	client, err := transport.NewRequestClient(transport.RequestClientConfig{
		Context: m.zctx, Endpoint: "tcp://" + net.JoinHostPort(host, port), Log: m.log,
	})
	if err != nil {
		return err
	}
	body := wire.AppendClear(nil, pingLoad, 3)
	reply, err := client.Do(ctx, body)
	if err = errors.Join(err, client.Close()); err != nil {
		return fmt.Errorf("ping our own request port: %w", err)
	}
	if !bytes.Equal(reply, pingLoad) {
		return fmt.Errorf("our own request port answers a ping with %d bytes of something else", len(reply))
	}
	return nil
}

// pingLoad is {"cmd": "ping"}, which comes back unchanged.
var pingLoad = []byte("\x81\xa3cmd\xa4ping")

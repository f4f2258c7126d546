package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// controlTimeout bounds a request whose answer comes when the work is done: a wheel call that moves
// thousands of keys takes a stock master longer than a publication.
const controlTimeout = 60 * time.Second

// Wheel runs a wheel function on the master with credentials of external authentication and returns what
// the function returned. It waits until ctx ends or a minute is over. It is never sent twice: the first
// one may have been carried out.
//
// Errors: ErrMasterDown when nobody listens on the request port, ErrNoAnswer, *RefusedError when the
// master refuses the caller, *WheelError when the function failed.
//
// spec: runners-and-wheel §3
func (c *Client) Wheel(ctx context.Context, credentials *wire.Map, fun string, args ...any) (any, error) {
	load := wire.NewMap("fun", fun, "arg", append([]any{}, args...), "kwarg", wire.NewMap())
	for key, value := range credentials.All() {
		load.Set(key, value)
	}
	reply, err := c.control(ctx, wire.CmdWheel, load)
	if err != nil {
		return nil, err
	}
	data := reply.Map("data")
	if data == nil {
		return nil, fmt.Errorf("answer to wheel: %w", errNoData)
	}
	result, ok := data.Get("return")
	if !ok {
		return nil, fmt.Errorf("answer to wheel: %w", errNoData)
	}
	// A master that does not say how it went has succeeded.
	if success, said := data.Get("success"); said && success == false {
		return nil, &WheelError{Fun: fun, Text: fmt.Sprint(result)}
	}
	return result, nil
}

// MakeToken has the master issue a token for credentials of external authentication, good for what they
// are good for. Errors are those of Wheel.
//
// spec: local-client-and-salt-cli §5
func (c *Client) MakeToken(ctx context.Context, credentials *wire.Map) (string, error) {
	reply, err := c.control(ctx, wire.CmdMkToken, credentials.Clone())
	if err != nil {
		return "", err
	}
	token := reply.Str("token")
	if token == "" {
		return "", &RefusedError{Message: "the master issued no token"}
	}
	return token, nil
}

var errNoData = errors.New("no data in the reply")

// control sends one clear request for the master itself and reads its reply, which is a map.
func (c *Client) control(ctx context.Context, cmd string, load *wire.Map) (*wire.Map, error) {
	if err := c.listening(ctx); err != nil {
		return nil, err
	}
	load.Set("cmd", cmd)
	raw, err := wire.Encode(load, wire.Wire)
	if err != nil {
		return nil, fmt.Errorf("%s request: %w", cmd, err)
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	body, err := c.req.Do(ctx, wire.AppendClear(nil, raw, level))
	if errors.Is(err, transport.ErrTimeout) {
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	if err != nil {
		return nil, err
	}
	reply, err := wire.DecodeMap(body, wire.Wire, wire.OuterLimits)
	if err != nil {
		if text, ok := wire.Str(body); ok {
			return nil, &RefusedError{Message: text}
		}
		return nil, fmt.Errorf("answer to %s: %w", cmd, err)
	}
	if e, ok := reply.Get("error"); ok {
		name, text := wire.ReplyError(e)
		return nil, &RefusedError{Name: name, Message: text}
	}
	return reply, nil
}

// listening tells a dead master from a slow one at once: the request socket connects in the background and
// would only show a timeout.
func (c *Client) listening(ctx context.Context) error {
	patience := c.cfg.Timeout
	if patience <= 0 {
		patience = controlTimeout
	}
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(c.cfg.Endpoint, "tcp://"))
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ErrMasterDown, err)
	}
	return conn.Close()
}

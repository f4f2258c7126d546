package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"
)

// ErrDown is returned when nobody listens on the socket: the daemon does not run.
var ErrDown = errors.New("not running")

const (
	// readTimeout bounds one question.
	readTimeout = 10 * time.Second
	// maxReport is the largest answer taken, in bytes.
	maxReport = 16 << 20
)

// Client reads the status socket of one daemon. Safe for concurrent use.
type Client struct {
	path string
	http *http.Client
}

// NewClient makes a client of the socket at path; it connects when it is asked.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: &http.Client{
		Timeout:   readTimeout,
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaderBytes},
	}}
}

// Report asks for the whole report. It returns ErrDown when no daemon listens, and otherwise says what is wrong:
// no permission, no answer in time, or an answer that is none.
func (c *Client) Report(ctx context.Context) (Report, error) {
	body, err := c.get(ctx, "/status")
	if err != nil {
		return Report{}, err
	}
	var r Report
	if err := json.Unmarshal(body, &r); err != nil {
		return Report{}, fmt.Errorf("%s: not a report: %w", c.path, err)
	}
	return r, nil
}

// Page asks for a further page of the daemon's (Paged) and decodes it into value. Errors are as for Report; a daemon
// without such a page is one.
func (c *Client) Page(ctx context.Context, name string, value any) error {
	body, err := c.get(ctx, "/"+name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, value); err != nil {
		return fmt.Errorf("%s: not a page %s: %w", c.path, name, err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, page string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://status"+page, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: nobody listens on %s", ErrDown, c.path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: no permission: ask as root or as the user the daemon runs as", c.path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", c.path, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReport+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", c.path, err)
	}
	switch {
	case len(body) > maxReport:
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", c.path, maxReport)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s: %.200q", c.path, resp.Status, body)
	}
	return body, nil
}

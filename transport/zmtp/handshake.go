package zmtp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// maxHandshake is how many bytes a handshake may take: greeting, READY, or the identity of ZMTP 2.0.
const maxHandshake = greetingLen + maxCommandBytes + longHeader

// handshake greets the peer and learns who it is. It returns the bytes that came behind the handshake.
//
// Our signature and version go out at once, the rest when the peer's version is known: a ZMTP 2.0 peer wants
// something else there. ZMTP 3 continues with READY on both sides, ZMTP 2.0 with a frame that holds an identity.
func handshake(nc net.Conn, cfg *Config) (peer ready, ver version, rest []byte, err error) {
	if err := nc.SetDeadline(time.Now().Add(cfg.HandshakeTimeout)); err != nil {
		return peer, ver, nil, gone(err)
	}
	h := shaking{nc: nc, cfg: cfg}
	if peer, err = h.run(); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = ErrHandshakeTime
		}
		return peer, ver, nil, gone(err)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return peer, ver, nil, gone(err)
	}
	ver = version{majorOurs, h.minor}
	if h.v2 {
		ver = version{major: majorV2Newest}
	}
	return peer, ver, h.buf, nil
}

// shaking is a handshake under way. buf are bytes read and not yet understood.
type shaking struct {
	nc    net.Conn
	cfg   *Config
	buf   []byte
	v2    bool
	minor uint8 // of ZMTP 3
}

func (h *shaking) run() (peer ready, err error) {
	if _, err := h.nc.Write(appendSignature(nil)); err != nil {
		return peer, err
	}
	g, err := h.greeting()
	if err != nil {
		return peer, err
	}
	if h.v2 {
		peer.role = g.role
		peer.identity, err = h.identity()
	} else {
		peer, err = h.ready()
	}
	if err == nil && !h.cfg.Role.fit(peer.role) {
		err = fmt.Errorf("%w: %v with %v", ErrPeerType, h.cfg.Role, peer.role)
	}
	return peer, err
}

// greeting reads the peer's greeting, and sends the rest of ours as soon as the version is known.
func (h *shaking) greeting() (g greeting, err error) {
	told := false
	for {
		var need int
		if g, need, err = parseGreeting(h.buf); err != nil {
			return g, err
		}
		if !told && len(h.buf) >= versionedLen {
			told, h.v2 = true, g.v2
			var out []byte
			if g.v2 {
				out = appendFrame([]byte{h.cfg.Role.code()}, 0, h.cfg.Identity)
			} else {
				out = appendReady(appendRest(nil), h.cfg.Role, h.cfg.Identity)
			}
			if _, err := h.nc.Write(out); err != nil {
				return g, err
			}
		}
		if need == 0 {
			h.buf, h.minor = h.buf[g.size:], g.minor
			return g, nil
		}
		if err := h.more(); err != nil {
			return g, err
		}
	}
}

// more reads what comes next.
func (h *shaking) more() error {
	if len(h.buf) >= maxHandshake {
		return fmt.Errorf("%w: handshake", ErrFrameSize)
	}
	var portion [512]byte
	n, err := h.nc.Read(portion[:])
	h.buf = append(h.buf, portion[:n]...)
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	if errors.Is(err, io.EOF) && len(h.buf) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// frame reads one frame of the handshake.
func (h *shaking) frame(limit uint64) (flags byte, body []byte, err error) {
	for {
		header, n, err := parseHeader(h.buf, h.v2)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 && header.size > limit {
			return 0, nil, fmt.Errorf("%w: %d bytes in the handshake", ErrFrameSize, header.size)
		}
		if end := n + int(header.size); n > 0 && len(h.buf) >= end {
			body, h.buf = h.buf[n:end], h.buf[end:]
			return header.flags, body, nil
		}
		if err := h.more(); err != nil {
			return 0, nil, err
		}
	}
}

func (h *shaking) identity() ([]byte, error) {
	flags, body, err := h.frame(maxIdentity)
	if err != nil {
		return nil, err
	}
	if flags&flagMore != 0 {
		return nil, fmt.Errorf("%w: identity of several frames", ErrFrame)
	}
	return append([]byte(nil), body...), nil
}

func (h *shaking) ready() (peer ready, err error) {
	flags, body, err := h.frame(maxCommandBytes)
	if err != nil {
		return peer, err
	}
	if flags&flagCommand == 0 {
		return peer, fmt.Errorf("%w: a message before READY", ErrFrame)
	}
	name, data, err := splitCommand(body)
	if err != nil {
		return peer, err
	}
	switch string(name) {
	case commandReady:
		return parseReady(data)
	case commandError:
		return peer, parseError(data)
	}
	return peer, fmt.Errorf("%w: %q before READY", ErrCommand, clip(name, 16))
}

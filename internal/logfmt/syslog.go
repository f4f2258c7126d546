package logfmt

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// facilities are the names of log_file's last element (spec: config-and-daemons §3).
var facilities = map[string]int{
	"KERN": 0, "USER": 1, "MAIL": 2, "DAEMON": 3, "AUTH": 4, "SYSLOG": 5, "LPR": 6, "NEWS": 7, "UUCP": 8, "CRON": 9, "AUTHPRIV": 10, "FTP": 11,
	"LOCAL0": 16, "LOCAL1": 17, "LOCAL2": 18, "LOCAL3": 19, "LOCAL4": 20, "LOCAL5": 21, "LOCAL6": 22, "LOCAL7": 23,
}

const (
	syslogWait    = time.Second     // a collector that does not take a record holds the daemon up no longer
	syslogBackoff = 5 * time.Second // between two attempts to connect again
	syslogPort    = "514"
)

// syslogSink sends records to a collector: file:///dev/log[/LOG_X], udp://host[:port][/LOG_X] or
// tcp://host[:port][/LOG_X]. Records that cannot be sent are counted, never waited for. Safe for
// concurrent use.
type syslogSink struct {
	network, addr string
	facility      int

	mu     sync.Mutex
	conn   net.Conn
	failed time.Time
	lost   uint64
	closed bool
}

func isURL(path string) bool {
	return strings.HasPrefix(path, "file://") || strings.HasPrefix(path, "udp://") || strings.HasPrefix(path, "tcp://")
}

// openSyslog reads the address; a collector that is away at the start is tried again later.
func openSyslog(address string) (*syslogSink, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("log file %s: %w", address, err)
	}
	s := &syslogSink{network: u.Scheme, facility: facilities["USER"]}
	path := u.Path
	if i := strings.LastIndex(path, "/LOG_"); i >= 0 {
		f, ok := facilities[path[i+len("/LOG_"):]]
		if !ok {
			return nil, fmt.Errorf("log file %s: unknown facility %s", address, path[i+1:])
		}
		s.facility, path = f, path[:i]
	}
	switch {
	case u.Scheme == "file" && u.Host == "" && path != "":
		s.network, s.addr = "unixgram", path
	case u.Scheme != "file" && u.Hostname() != "" && strings.Trim(path, "/") == "":
		port := u.Port()
		if port == "" {
			port = syslogPort
		}
		s.addr = net.JoinHostPort(u.Hostname(), port)
	default:
		return nil, fmt.Errorf("log file %s: want file:///dev/log, udp://host:port or tcp://host:port, each with /LOG_DAEMON or another facility", address)
	}
	return s, nil
}

// severity is syslog's number of a level.
func severity(l slog.Level) int {
	switch {
	case l >= LevelCritical:
		return 2
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// Write sends a record of unknown level.
func (s *syslogSink) Write(p []byte) (int, error) { return s.writeLevel(slog.LevelInfo, p) }

// writeLevel sends one record, connecting when needed.
func (s *syslogSink) writeLevel(l slog.Level, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	if err := s.connect(); err != nil {
		s.lost++ // counted, not logged: this is the logger
		return 0, err
	}
	line := fmt.Appendf(nil, "<%d>", s.facility<<3|severity(l))
	line = append(line, p...)
	if s.network != "tcp" {
		line = line[:len(line)-1] // a datagram ends by itself; every record ends in a newline
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(syslogWait))
	if err == nil {
		_, err = s.conn.Write(line)
	}
	if err != nil {
		s.conn.Close()
		s.conn = nil
		s.lost++
		return 0, err
	}
	return len(p), nil
}

func (s *syslogSink) connect() error {
	if s.conn != nil {
		return nil
	}
	if time.Since(s.failed) < syslogBackoff {
		return net.ErrClosed
	}
	conn, err := net.DialTimeout(s.network, s.addr, syslogWait)
	if err != nil {
		s.failed = time.Now()
		return err
	}
	s.conn = conn
	return nil
}

// Reopen connects anew with the next record.
func (s *syslogSink) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	s.failed = time.Time{}
	return nil
}

// Lost counts records that could not be sent.
func (s *syslogSink) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Chown does nothing: the collector is somebody else's.
func (s *syslogSink) Chown(int, int) error { return nil }

// Close closes the connection; later records are dropped.
func (s *syslogSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}

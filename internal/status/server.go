package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Config is what a Server needs to know.
type Config struct {
	Socket         string          // path, MasterSocket or SyndicSocket in sock_dir
	MetricsAddress string          // host:port of the TCP listener; "" = none; without a host loopback
	Ready          <-chan struct{} // closed when the daemon serves
	Every          time.Duration   // between two looks for the log; 0 = 5 s
	Log            *slog.Logger
}

// limits bound what clients can cost. A test makes them shorter.
type limits struct {
	header, read, write, idle time.Duration // of a connection
	look                      time.Duration // how long a request waits for a report
	fresh                     time.Duration // how long a report is shown again instead of a new one
	connections               int           // per listener
}

var defaultLimits = limits{
	header: 5 * time.Second, read: 5 * time.Second, write: 10 * time.Second, idle: 30 * time.Second,
	look: 5 * time.Second, fresh: 100 * time.Millisecond, connections: 32,
}

// maxHeaderBytes is the most a request can have beside its (refused) body.
const maxHeaderBytes = 8 << 10

// Server shows the reports of one Source.
type Server struct {
	cfg    Config
	limits limits
	source Source
	unix   net.Listener
	tcp    net.Listener // nil without MetricsAddress

	look    chan struct{} // holds a token while a report is made; owner of what follows
	watcher *Watcher
	ready   time.Time
	last    Report
	lastAt  time.Time // by the monotonic clock of this process, not the source's
}

// Listen binds the socket, and the TCP address if one is set: connections wait until Run. A stale socket is
// replaced; unixsocket.ErrInUse is returned when somebody listens there, unixsocket.ErrPath when the name is too long for the system
// or not a socket. Every failure leaves nothing behind.
func Listen(cfg Config, source Source) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Every <= 0 {
		cfg.Every = 5 * time.Second
	}
	s := &Server{
		cfg: cfg, limits: defaultLimits, source: source,
		look: make(chan struct{}, 1), watcher: NewWatcher(cfg.Log),
	}
	unix, err := listenSocket(cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("status socket: %w", err)
	}
	s.unix = unix
	if cfg.MetricsAddress == "" {
		return s, nil
	}
	address, loopback, err := metricsAddress(cfg.MetricsAddress)
	if err == nil {
		s.tcp, err = net.Listen("tcp", address)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("metrics address: %w", err), unix.Close())
	}
	if !loopback {
		cfg.Log.Warn("Metrics can be read from other hosts", "address", s.tcp.Addr().String())
	}
	return s, nil
}

// metricsAddress puts loopback where no host is given, and tells whether others can reach it.
func metricsAddress(given string) (address string, loopback bool, err error) {
	host, port, err := net.SplitHostPort(given)
	if err != nil {
		return "", false, err
	}
	if host == "" {
		host = "127.0.0.1"
	}
	ip := net.ParseIP(host)
	return net.JoinHostPort(host, port), host == "localhost" || ip != nil && ip.IsLoopback(), nil
}

// MetricsAddr is the bound TCP address, "" without one.
func (s *Server) MetricsAddr() string {
	if s.tcp == nil {
		return ""
	}
	return s.tcp.Addr().String()
}

// Close gives up a server that was never run.
func (s *Server) Close() error {
	err := s.unix.Close()
	if s.tcp != nil {
		err = errors.Join(err, s.tcp.Close())
	}
	return err
}

// stopTime is how long requests in flight may take when the server stops.
const stopTime = time.Second

// Run serves, and looks at the source now and then for the log, until ctx ends. It returns nil after an
// orderly stop and joins all its goroutines.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	listeners := []struct {
		ln      net.Listener
		handler http.Handler
	}{{s.unix, s.handler(true)}}
	if s.tcp != nil {
		listeners = append(listeners, struct {
			ln      net.Listener
			handler http.Handler
		}{s.tcp, s.handler(false)})
	}
	var wg sync.WaitGroup
	failures := make(chan error, 2*len(listeners))
	for _, l := range listeners {
		server := s.httpServer(l.handler)
		wg.Go(func() {
			if err := server.Serve(limit(l.ln, s.limits.connections)); !errors.Is(err, http.ErrServerClosed) {
				failures <- err
				stop()
			}
		})
		wg.Go(func() {
			<-ctx.Done()
			if err := shutdown(server); err != nil {
				failures <- err
			}
		})
	}
	wg.Go(func() { s.watch(ctx) })
	wg.Wait()
	close(failures)
	errs := []error{s.Close()}
	for err := range failures {
		errs = append(errs, err)
	}
	if err := errors.Join(withoutClosed(errs)...); err != nil {
		return fmt.Errorf("status server: %w", err)
	}
	return nil
}

// withoutClosed drops errors that only say that a listener was closed before.
func withoutClosed(errs []error) (rest []error) {
	for _, err := range errs {
		if err != nil && !errors.Is(err, net.ErrClosed) {
			rest = append(rest, err)
		}
	}
	return rest
}

// shutdown waits a moment for requests in flight, then cuts them.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, MaxHeaderBytes: maxHeaderBytes,
		ReadHeaderTimeout: s.limits.header, ReadTimeout: s.limits.read, WriteTimeout: s.limits.write, IdleTimeout: s.limits.idle,
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}

// watch makes reports now and then, so that the log tells changes even when nobody asks.
func (s *Server) watch(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.Every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_, err := s.report(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			s.cfg.Log.Error("No status report", "err", err)
		}
		failing = err != nil
	}
}

// ErrReport is returned when the source gives no report.
var ErrReport = errors.New("no report")

// report returns the newest report, made now unless it is fresh. One that hangs holds up nobody for longer
// than limits.look.
func (s *Server) report(ctx context.Context) (Report, error) {
	timer := time.NewTimer(s.limits.look)
	defer timer.Stop()
	select {
	case s.look <- struct{}{}:
	case <-ctx.Done():
		return Report{}, ctx.Err()
	case <-timer.C:
		return Report{}, fmt.Errorf("%w: the daemon takes longer than %s to make one", ErrReport, s.limits.look)
	}
	defer func() { <-s.look }()
	if !s.lastAt.IsZero() && time.Since(s.lastAt) < s.limits.fresh {
		return s.last, nil
	}
	r, err := ask(s.source)
	if err != nil {
		return Report{}, err
	}
	if s.ready.IsZero() && s.serving() {
		s.ready = r.Now
	}
	if r.Ready.IsZero() {
		r.Ready = s.ready
	}
	s.watcher.Observe(&r)
	complete(&r)
	s.last, s.lastAt = r, time.Now()
	return r, nil
}

// ask turns a panic of the source into an error: the daemon must not end because somebody looked at it.
func ask(source Source) (r Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the source broke: %s", ErrReport, panicText(p))
		}
	}()
	return source.Status(), nil
}

// panicText describes a panic value without its content, which may be anything.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("value of type %T", p)
}

// serving tells whether the daemon has said that it is ready.
func (s *Server) serving() bool {
	select {
	case <-s.cfg.Ready:
		return true
	default:
		return s.cfg.Ready == nil
	}
}

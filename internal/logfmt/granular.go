package logfmt

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"strings"
	"sync/atomic"
)

// module is how the packages of this program begin in the names of functions.
const module = "github.com/saltern-io/saltern/"

// parts are the logger names of stock Salt under which parts of a daemon can be addressed, by the package that logs; what
// is not listed is the daemon itself. Sign-ins are told apart by file: see partOf.
var parts = map[string]string{
	"pki":            "salt.crypt",
	"transport":      "salt.transport",
	"transport/zmtp": "salt.transport",
	"internal/event": "salt.utils.event",
	"jobcache":       "salt.returners.local_cache",
}

// signInPart is where stock Salt logs about sign-ins.
const signInPart = "salt.channel.server"

// partOf is the stock logger name for the place a record comes from, "" for the daemon itself.
func partOf(pc uintptr) string {
	if pc == 0 {
		return ""
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	fn, ours := strings.CutPrefix(frame.Function, module)
	if !ours {
		return ""
	}
	// The package ends at the first point after the last slash: transport/zmtp.(*Conn).read.
	slash := strings.LastIndexByte(fn, '/') + 1
	if dot := strings.IndexByte(fn[slash:], '.'); dot >= 0 {
		fn = fn[:slash+dot]
	}
	if fn == "master" && strings.HasPrefix(path.Base(frame.File), "auth") {
		return signInPart
	}
	return parts[fn]
}

// granular are least levels by logger name: of a name and of everything below it.
type granular map[string]slog.Level

// level is the one of the longest entry that covers name, and the length of that entry; 0 for none.
func (g granular) level(name string) (slog.Level, int) {
	for ; name != ""; name = name[:max(strings.LastIndexByte(name, '.'), 0)] {
		if l, ok := g[name]; ok {
			return l, len(name)
		}
	}
	return 0, 0
}

// allows reports whether a record of this level may pass. A record has two names: that of its daemon, and that of its
// part; the more exact entry counts.
func (g granular) allows(name, part string, l slog.Level) bool {
	least, exact := g.level(name)
	if p, n := g.level(part); n >= exact && n > 0 {
		least, exact = p, n
	}
	return exact == 0 || l >= least
}

// granularHandler drops what log_granular_levels does not want. As in stock Salt it can only drop: what the console and the
// file show is decided by their own levels.
type granularHandler struct {
	slog.Handler
	levels *atomic.Pointer[granular]
	name   string
}

// Handle is part of slog.Handler.
func (h granularHandler) Handle(ctx context.Context, r slog.Record) error {
	if g := h.levels.Load(); g != nil && !g.allows(h.name, partOf(r.PC), r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is part of slog.Handler.
func (h granularHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup is part of slog.Handler.
func (h granularHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// SetGranular changes the least levels by logger name (log_granular_levels); nothing changes when a level is unknown.
func (s *Sink) SetGranular(names map[string]string) error {
	g := granular{}
	for name, level := range names {
		l, err := ParseLevel(level)
		if err != nil {
			return fmt.Errorf("log_granular_levels: %s: %w", name, err)
		}
		g[name] = l
	}
	if len(g) == 0 {
		s.granular.Store(nil)
		return nil
	}
	s.granular.Store(&g)
	return nil
}

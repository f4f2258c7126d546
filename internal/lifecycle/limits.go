package lifecycle

import (
	"fmt"
	"log/slog"
	"syscall"
)

// FileLimit is the process's limit of open descriptors.
type FileLimit struct {
	Before uint64 // soft limit found
	Soft   uint64 // soft limit now
	Hard   uint64
}

// String is the limit for a start-up line.
func (l FileLimit) String() string { return fmt.Sprintf("%d of at most %d", l.Soft, l.Hard) }

// RaiseFileLimit raises the soft limit to the smaller of want and the hard limit; want 0 means the
// hard limit. It never lowers it (spec: config-and-daemons §2.7). The Go runtime usually has raised
// it to the hard limit before; calling this makes the limit count for child processes as well.
func RaiseFileLimit(want uint64) (FileLimit, error) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return FileLimit{}, fmt.Errorf("read the descriptor limit: %w", err)
	}
	l := FileLimit{Before: r.Cur, Soft: r.Cur, Hard: r.Max}
	target := r.Max
	if want > 0 {
		target = min(want, r.Max)
	}
	if target <= r.Cur {
		return l, nil
	}
	r.Cur = target
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return l, fmt.Errorf("raise the descriptor limit to %d: %w", target, err)
	}
	l.Soft = target
	return l, nil
}

// FileLimitAdvice is stock's warning ladder: n connections (or accepted keys) against the soft limit.
// ok is false while there is nothing to say. critical is the level of the last two steps.
func FileLimitAdvice(n, soft uint64, critical slog.Level) (level slog.Level, text string, ok bool) {
	if 4*n <= soft {
		return 0, "", false
	}
	text = fmt.Sprintf("The number of accepted minion keys(%d) should be lower than 1/4 of the max open files soft setting(%d).", n, soft)
	switch {
	case n >= soft:
		return critical, text + " salt-master will crash pretty soon!", true
	case 2*n >= soft:
		return critical, text, true
	case 3*n >= soft:
		return slog.LevelWarn, text, true
	}
	return slog.LevelInfo, text, true
}

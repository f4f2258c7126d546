package master

import (
	"context"
	"log/slog"
	"time"

	"github.com/saltern-io/saltern/internal/logfmt"
)

// limitedEvery is how often one kind of line passes that many peers can cause at once.
const limitedEvery = 10 * time.Second

// limitedLog writes lines that ten thousand minions can cause at once: one of a kind per interval,
// with the count of the others.
type limitedLog struct{ limiter *logfmt.Limiter }

func newLimitedLog(log *slog.Logger) limitedLog {
	return limitedLog{logfmt.NewLimiter(log, limitedEvery)}
}

func (l limitedLog) log(level slog.Level, msg string, args []any) {
	l.limiter.LogFor(context.Background(), 2, level, msg, args...) // the line that called Debug, Info, Warn or Error
}

func (l limitedLog) Debug(msg string, args ...any) { l.log(slog.LevelDebug, msg, args) }
func (l limitedLog) Info(msg string, args ...any)  { l.log(slog.LevelInfo, msg, args) }
func (l limitedLog) Warn(msg string, args ...any)  { l.log(slog.LevelWarn, msg, args) }
func (l limitedLog) Error(msg string, args ...any) { l.log(slog.LevelError, msg, args) }

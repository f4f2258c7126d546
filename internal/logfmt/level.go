package logfmt

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
)

// Levels beyond slog's four. slog.LevelDebug is DEBUG, LevelInfo INFO, LevelWarn WARNING and
// LevelError ERROR.
const (
	LevelAll      = slog.Level(math.MinInt32)
	LevelGarbage  = slog.Level(-12)
	LevelTrace    = slog.Level(-8)
	LevelProfile  = slog.Level(-2)
	LevelCritical = slog.Level(12)
	LevelQuiet    = slog.Level(math.MaxInt32) // above everything: nothing is logged
)

var levels = map[string]slog.Level{
	"all": LevelAll, "garbage": LevelGarbage, "trace": LevelTrace, "debug": slog.LevelDebug,
	"profile": LevelProfile, "info": slog.LevelInfo, "warning": slog.LevelWarn, "warn": slog.LevelWarn,
	"error": slog.LevelError, "critical": LevelCritical, "quiet": LevelQuiet,
}

// LevelNames are the names an option or flag may have, lowest first (spec: config-and-daemons §3).
func LevelNames() []string {
	return []string{"all", "garbage", "trace", "debug", "profile", "info", "warning", "error", "critical", "quiet"}
}

// ParseLevel reads a level name in any case; the error lists the names.
func ParseLevel(name string) (slog.Level, error) {
	if l, ok := levels[strings.ToLower(name)]; ok {
		return l, nil
	}
	return 0, fmt.Errorf("unknown log level %q (choose from %s)", name, strings.Join(LevelNames(), ", "))
}

// LevelName is the name Salt prints for a level: the highest one not above it.
func LevelName(l slog.Level) string {
	switch {
	case l >= LevelCritical:
		return "CRITICAL"
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARNING"
	case l >= slog.LevelInfo:
		return "INFO"
	case l >= LevelProfile:
		return "PROFILE"
	case l >= slog.LevelDebug:
		return "DEBUG"
	case l >= LevelTrace:
		return "TRACE"
	}
	return "GARBAGE"
}

// Insecure reports whether a level shows data that may be sensitive: everything below info.
func Insecure(l slog.Level) bool { return l < slog.LevelInfo }

// levelNumber is Python's number of a level.
func levelNumber(l slog.Level) int {
	switch LevelName(l) {
	case "CRITICAL":
		return 50
	case "ERROR":
		return 40
	case "WARNING":
		return 30
	case "INFO":
		return 20
	case "PROFILE":
		return 15
	case "DEBUG":
		return 10
	case "TRACE":
		return 5
	}
	return 1
}

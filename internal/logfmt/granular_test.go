package logfmt

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// The expected values are those of Python's logging under stock 3006.16 and 3008: names are cut at points, the longest
// entry counts, and nothing is shown that the console's own level hides.
func TestGranular(t *testing.T) {
	tests := []struct {
		name   string
		levels map[string]string
		want   string // levels that pass, of debug, info, warning, error
	}{
		{"none", nil, "warning error"},
		{"not more than the console", map[string]string{"salt.master": "debug"}, "warning error"},
		{"less", map[string]string{"salt.master": "error"}, "error"},
		{"above", map[string]string{"salt": "ERROR"}, "error"},
		{"longest", map[string]string{"salt": "quiet", "salt.master": "error"}, "error"},
		{"another", map[string]string{"salt.mast": "quiet", "salt.master.x": "quiet", "other": "quiet"}, "warning error"},
		{"nothing", map[string]string{"salt": "quiet"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			log, sink, err := New(Config{Console: &b, Name: "salt.master", Granular: tt.levels, ConsoleFormat: "%(message)s"})
			if err != nil {
				t.Fatal(err)
			}
			defer sink.Close()
			log = log.With("x", 1).WithGroup("g")
			log.Debug("debug")
			log.Info("info")
			log.Warn("warning")
			log.Error("error")
			if got := strings.ReplaceAll(strings.Join(strings.Fields(b.String()), " "), " x=1", ""); got != tt.want {
				t.Errorf("%q passes, want %q", got, tt.want)
			}
			b.Reset()
			if err := sink.SetGranular(nil); err != nil {
				t.Fatal(err)
			}
			if log.Warn("warning"); b.Len() == 0 {
				t.Error("still dropped after a reload")
			}
		})
	}
	if _, _, err := New(Config{Granular: map[string]string{"salt.x": "loud"}}); err == nil || !strings.Contains(err.Error(), "salt.x") {
		t.Errorf("unknown level: %v", err)
	}
}

// TestGranular_parts: a part may be louder than its daemon, and the more exact entry counts whichever it is for.
func TestGranular_parts(t *testing.T) {
	tests := []struct {
		levels granular
		part   string
		level  slog.Level
		want   bool
	}{
		{granular{"salt": slog.LevelError, "salt.crypt": slog.LevelInfo}, "salt.crypt", slog.LevelInfo, true},
		{granular{"salt": slog.LevelError, "salt.crypt": slog.LevelInfo}, "", slog.LevelInfo, false},
		{granular{"salt.master": slog.LevelError}, "salt.crypt", slog.LevelInfo, false},
		{granular{"salt.channel": slog.LevelError}, signInPart, slog.LevelInfo, false},
		{granular{"salt.channel": slog.LevelError}, "", slog.LevelInfo, true},
	}
	for _, tt := range tests {
		if got := tt.levels.allows("salt.master", tt.part, tt.level); got != tt.want {
			t.Errorf("%v: part %q at %v passes: %v", tt.levels, tt.part, tt.level, got)
		}
	}
}

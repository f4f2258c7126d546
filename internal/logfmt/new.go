package logfmt

import (
	"fmt"
	"io"
	"log/slog"
)

// Config says what to log where. Formats are Python percent formats as in Salt's options.
type Config struct {
	Level     string    // console level name; "" = warning
	LevelFile string    // file level name; "" = Level
	Console   io.Writer // nil = no console (a daemon in the background)
	File      string    // path of the log file, or a syslog URL; "" = none

	Format         string            // "salt" (or "") or "json", for both
	ConsoleFormat  string            // log_fmt_console; "" = DefaultConsoleFormat
	FileFormat     string            // log_fmt_logfile; "" = DefaultFileFormat
	ConsoleDateFmt string            // log_datefmt; "" = "%H:%M:%S"
	FileDateFmt    string            // log_datefmt_logfile; "" = "%Y-%m-%d %H:%M:%S"
	JIDFormat      string            // log_fmt_jid; "" = "[JID: %(jid)s]"
	Granular       map[string]string // log_granular_levels: least level by logger name
	Name           string            // logger name of records without a "component" attribute; "" = "saltern"
}

// Salt's record formats (spec: config-and-daemons §3).
const (
	DefaultConsoleFormat = "[%(levelname)-8s] %(message)s"
	DefaultFileFormat    = "%(asctime)s,%(msecs)03d [%(name)-17s:%(lineno)-4d][%(levelname)-8s][%(process)d] %(message)s"
)

// New makes the daemon's logger. Attributes follow the message as key=value; "component" becomes the
// logger name. The error names what is wrong with a level, a format or the file.
func New(c Config) (*slog.Logger, *Sink, error) {
	s := &Sink{}
	if c.Level == "" {
		c.Level = "warning"
	}
	if c.LevelFile == "" {
		c.LevelFile = c.Level
	}
	if err := s.SetLevels(c.Level, c.LevelFile); err != nil {
		return nil, nil, err
	}
	if err := s.SetGranular(c.Granular); err != nil {
		return nil, nil, err
	}
	if c.Format != "" && c.Format != "salt" && c.Format != "json" {
		return nil, nil, fmt.Errorf("unknown log format %q (choose from salt, json)", c.Format)
	}
	var handlers []slog.Handler
	if c.Console != nil {
		h, err := c.handler(c.Console, &s.consoleLevel, or(c.ConsoleFormat, DefaultConsoleFormat), or(c.ConsoleDateFmt, "%H:%M:%S"))
		if err != nil {
			return nil, nil, fmt.Errorf("console log format: %w", err)
		}
		handlers = append(handlers, h)
	}
	if c.File != "" {
		f, err := openTarget(c.File)
		if err != nil {
			return nil, nil, err
		}
		h, err := c.handler(f, &s.fileLevel, or(c.FileFormat, DefaultFileFormat), or(c.FileDateFmt, "%Y-%m-%d %H:%M:%S"))
		if err != nil {
			f.Close()
			return nil, nil, fmt.Errorf("log file format: %w", err)
		}
		s.file = f
		handlers = append(handlers, h)
	}
	switch len(handlers) {
	case 0:
		return slog.New(slog.DiscardHandler), s, nil
	case 1:
		return slog.New(granularHandler{Handler: handlers[0], levels: &s.granular, name: or(c.Name, "saltern")}), s, nil
	}
	return slog.New(granularHandler{Handler: slog.NewMultiHandler(handlers...), levels: &s.granular, name: or(c.Name, "saltern")}), s, nil
}

func (c Config) handler(w io.Writer, level slog.Leveler, format, dates string) (slog.Handler, error) {
	if c.Format == "json" {
		return newJSON(w, level), nil
	}
	return newSalt(w, level, saltConfig{format: format, dates: dates, jid: or(c.JIDFormat, "[JID: %(jid)s]"), name: or(c.Name, "saltern")})
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// newJSON is slog's JSON handler with Salt's level names.
func newJSON(w io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.LevelKey {
			if l, ok := a.Value.Any().(slog.Level); ok {
				return slog.String(slog.LevelKey, LevelName(l))
			}
		}
		return a
	}})
}

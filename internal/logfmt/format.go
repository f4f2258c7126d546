package logfmt

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// record is what one line is made of.
type record struct {
	time    time.Time
	level   slog.Level
	name    string
	message string
	jid     string
	file    string
	line    int
	fn      string
}

// field is one %(name)-8.3s of a format, or a literal.
type field struct {
	literal   string
	name      string
	left      bool
	zero      bool
	width     int
	precision int // -1 = none
	verb      byte
}

// fieldNames are the mapping keys of Python's logging that make sense here (spec: config-and-daemons §3).
var fieldNames = map[string]bool{
	"asctime": true, "msecs": true, "name": true, "lineno": true, "levelname": true, "levelno": true,
	"process": true, "processName": true, "threadName": true, "thread": true, "message": true, "filename": true,
	"funcName": true, "pathname": true, "module": true, "created": true, "relativeCreated": true, "jid": true,
	"colorlevel": true, "colorname": true, "colorprocess": true, "colormsg": true,
}

// maxWidth bounds a field: a format comes from a file.
const maxWidth = 1000

// compile parses a Python percent format.
func compile(format string) ([]field, error) {
	var out []field
	lit := ""
	for rest := format; rest != ""; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			lit += rest
			break
		}
		lit, rest = lit+rest[:i], rest[i+1:]
		if strings.HasPrefix(rest, "%") {
			lit, rest = lit+"%", rest[1:]
			continue
		}
		f, after, err := parseField(rest)
		if err != nil {
			return nil, err
		}
		if lit != "" {
			out = append(out, field{literal: lit})
			lit = ""
		}
		out, rest = append(out, f), after
	}
	if lit != "" {
		out = append(out, field{literal: lit})
	}
	return out, nil
}

// parseField reads what follows a percent sign.
func parseField(s string) (f field, rest string, err error) {
	f.precision = -1
	end := strings.IndexByte(s, ')')
	if !strings.HasPrefix(s, "(") || end < 0 {
		return f, "", fmt.Errorf("%%%s: a field must look like %%(name)s", clip(s))
	}
	f.name, s = s[1:end], s[end+1:]
	if !fieldNames[f.name] {
		return f, "", fmt.Errorf("unknown field %%(%s)", clip(f.name))
	}
	for s != "" && strings.IndexByte("-0 +#", s[0]) >= 0 {
		f.left = f.left || s[0] == '-'
		f.zero = f.zero || s[0] == '0'
		s = s[1:]
	}
	f.width, s = number(s)
	if strings.HasPrefix(s, ".") {
		f.precision, s = number(s[1:])
	}
	if s == "" || strings.IndexByte("sdifrF", s[0]) < 0 {
		return f, "", fmt.Errorf("%%(%s): ends without s, d or f", f.name)
	}
	if f.width > maxWidth || f.precision > maxWidth {
		return f, "", fmt.Errorf("%%(%s): width above %d", f.name, maxWidth)
	}
	f.verb = s[0]
	return f, s[1:], nil
}

func number(s string) (n int, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' && n <= maxWidth {
		n, i = n*10+int(s[i]-'0'), i+1
	}
	return n, s[i:]
}

func clip(s string) string {
	if len(s) > 20 {
		return s[:20]
	}
	return s
}

// append adds one field of r to b.
func (f *field) append(b []byte, r *record, e *environment) []byte {
	if f.name == "" {
		return append(b, f.literal...)
	}
	var tmp [64]byte
	text := f.text(tmp[:0], r, e)
	numeric := f.verb == 'd' || f.verb == 'i' || f.verb == 'f' || f.verb == 'F'
	if !numeric && f.precision >= 0 && len(text) > f.precision {
		text = text[:f.precision]
	}
	if numeric && f.verb != 'f' && f.verb != 'F' {
		for pad := f.precision - len(text); pad > 0; pad-- {
			b = append(b, '0')
		}
	}
	pad := f.width - len(text)
	fill := byte(' ')
	if f.zero && numeric && !f.left {
		fill = '0'
	}
	if !f.left {
		for range max(pad, 0) {
			b = append(b, fill)
		}
	}
	b = append(b, text...)
	if f.left {
		for range max(pad, 0) {
			b = append(b, ' ')
		}
	}
	return b
}

// text is the bare value of the field.
func (f *field) text(b []byte, r *record, e *environment) []byte {
	switch f.name {
	case "asctime":
		return appendDate(b, r.time, e.dates)
	case "msecs":
		return strconv.AppendInt(b, int64(r.time.Nanosecond()/1e6), 10)
	case "name":
		return append(b, r.name...)
	case "lineno":
		return strconv.AppendInt(b, int64(r.line), 10)
	case "levelname":
		return append(b, LevelName(r.level)...)
	case "levelno":
		return strconv.AppendInt(b, int64(levelNumber(r.level)), 10)
	case "process":
		return strconv.AppendInt(b, int64(e.pid), 10)
	case "thread":
		return append(b, '0')
	case "processName":
		return append(b, "MainProcess"...)
	case "threadName":
		return append(b, "MainThread"...)
	case "message":
		return append(b, r.message...)
	case "filename":
		return append(b, filepath.Base(r.file)...)
	case "module":
		return append(b, strings.TrimSuffix(filepath.Base(r.file), ".go")...)
	case "pathname":
		return append(b, r.file...)
	case "funcName":
		return append(b, r.fn...)
	case "created", "relativeCreated":
		return f.seconds(b, r, e)
	case "jid":
		return appendJID(b, r.jid, e.jid)
	case "colorlevel":
		return fmt.Appendf(b, "%s[%-8s]%s", levelColor(r.level), LevelName(r.level), noColor)
	case "colorname":
		return fmt.Appendf(b, "%s[%-17s]%s", green, r.name, noColor)
	case "colorprocess":
		return fmt.Appendf(b, "%s[%5d]%s", blue, e.pid, noColor)
	case "colormsg":
		return fmt.Appendf(b, "%s%s%s", levelColor(r.level), r.message, noColor)
	}
	return b
}

// seconds is created (seconds since the epoch) or relativeCreated (milliseconds since the start).
func (f *field) seconds(b []byte, r *record, e *environment) []byte {
	value := float64(r.time.UnixMicro()) / 1e6
	if f.name == "relativeCreated" {
		value = float64(r.time.Sub(e.start).Microseconds()) / 1e3
	}
	switch {
	case f.verb == 'd' || f.verb == 'i':
		return strconv.AppendInt(b, int64(value), 10)
	case f.precision >= 0 && f.verb != 's':
		return strconv.AppendFloat(b, value, 'f', f.precision, 64)
	}
	return strconv.AppendFloat(b, value, 'f', 6, 64)
}

// appendJID puts a job id into log_fmt_jid; records without a job get nothing.
func appendJID(b []byte, jid, format string) []byte {
	if jid == "" {
		return b
	}
	before, after, _ := strings.Cut(format, "%(jid)s")
	b = append(b, before...)
	b = append(b, jid...)
	return append(b, after...)
}

const (
	red     = "\x1b[1;31m"
	green   = "\x1b[1;32m"
	yellow  = "\x1b[1;33m"
	blue    = "\x1b[1;34m"
	cyan    = "\x1b[0;36m"
	noColor = "\x1b[0m"
)

func levelColor(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return red
	case l >= slog.LevelWarn:
		return yellow
	case l >= slog.LevelInfo:
		return green
	}
	return cyan
}

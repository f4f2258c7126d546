package logfmt

import (
	"fmt"
	"strconv"
	"time"
)

// appendDate prints a time with the strftime fields that log formats use; unknown ones stay as they
// are. The two default formats take a path without allocation.
func appendDate(b []byte, t time.Time, format string) []byte {
	switch format {
	case "%H:%M:%S":
		return t.AppendFormat(b, "15:04:05")
	case "%Y-%m-%d %H:%M:%S":
		return t.AppendFormat(b, "2006-01-02 15:04:05")
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b = append(b, format[i])
			continue
		}
		i++
		b = appendDateField(b, t, format[i])
	}
	return b
}

var goDates = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'I': "03", 'M': "04", 'S': "05",
	'p': "PM", 'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'j': "002",
	'z': "-0700", 'Z': "MST", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06",
	'e': "_2", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
}

func appendDateField(b []byte, t time.Time, c byte) []byte {
	if layout, ok := goDates[c]; ok {
		return t.AppendFormat(b, layout)
	}
	switch c {
	case '%':
		return append(b, '%')
	case 'f':
		return fmt.Appendf(b, "%06d", t.Nanosecond()/1000)
	case 's':
		return strconv.AppendInt(b, t.Unix(), 10)
	}
	return append(b, '%', c)
}

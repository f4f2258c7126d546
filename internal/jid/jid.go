package jid

import (
	"strconv"
	"time"
)

// Len is the number of digits of a job id.
const Len = 20

// New returns the job id of a time, in UTC and cut to microseconds. The year is taken modulo 10000.
func New(now time.Time) string {
	var b [Len]byte
	return string(appendTime(b[:0], now.UTC()))
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = appendDigits(dst, t.Year(), 4)
	dst = appendDigits(dst, int(t.Month()), 2)
	dst = appendDigits(dst, t.Day(), 2)
	dst = appendDigits(dst, t.Hour(), 2)
	dst = appendDigits(dst, t.Minute(), 2)
	dst = appendDigits(dst, t.Second(), 2)
	return appendDigits(dst, t.Nanosecond()/1000, 6)
}

// appendDigits appends the last width decimal digits of n, zeros in front.
func appendDigits(dst []byte, n, width int) []byte {
	at := len(dst) + width
	for range width {
		dst = append(dst, '0')
	}
	for i := at - 1; i >= at-width; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// Valid tells whether s has the form of a job id: 20 digits, or 20 digits, "_" and at least one digit more, the form with a
// process id. Whether the digits are a date does not matter. Stricter than stock only in what may follow the "_".
func Valid(s string) bool {
	if len(s) < Len || len(s) == Len+1 || len(s) > Len && s[Len] != '_' {
		return false
	}
	for i := range len(s) {
		if i != Len && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return len(s) <= maxLen
}

// maxLen bounds the form with a process id.
const maxLen = Len + 1 + 20

// Time returns the time in UTC that a valid job id stands for; ok is false when s is not valid or its digits are no date.
func Time(s string) (t time.Time, ok bool) {
	if !Valid(s) {
		return time.Time{}, false
	}
	f := fields(s)
	t = time.Date(f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], f[6]*1000, time.UTC)
	// time.Date carries over; what it had to change was no date.
	if t.Year() != f[0] || int(t.Month()) != f[1] || t.Day() != f[2] || t.Hour() != f[3] || t.Minute() != f[4] ||
		t.Second() != f[5] {
		return time.Time{}, false
	}
	return t, true
}

// Start returns the time of a job id as Salt shows it, "2026, Nov 20 13:48:27.331255", in UTC; "" when s stands for no time.
func Start(s string) string {
	t, ok := Time(s)
	if !ok {
		return ""
	}
	b := make([]byte, 0, 28)
	b = append(b, s[:4]...)
	b = append(b, ", "...)
	b = append(b, t.Month().String()[:3]...)
	b = append(b, ' ')
	b = append(b, s[6:8]...)
	b = append(b, ' ')
	b = append(b, s[8:10]...)
	b = append(b, ':')
	b = append(b, s[10:12]...)
	b = append(b, ':')
	b = append(b, s[12:14]...)
	b = append(b, '.')
	return string(append(b, s[14:Len]...))
}

// fields splits the 20 digits of a valid job id.
func fields(s string) (f [7]int) {
	at := 0
	for i, width := range [7]int{4, 2, 2, 2, 2, 2, 6} {
		f[i], _ = strconv.Atoi(s[at : at+width]) // digits only, never an error
		at += width
	}
	return f
}

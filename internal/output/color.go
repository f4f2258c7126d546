package output

import "strings"

// Escape sequences as stock writes them.
const (
	cyan        = "\x1b[0;36m"
	green       = "\x1b[0;32m"
	red         = "\x1b[0;31m"
	blue        = "\x1b[0;34m"
	magenta     = "\x1b[0;35m"
	lightRed    = "\x1b[0;1;31m"
	lightGreen  = "\x1b[0;1;32m"
	lightYellow = "\x1b[0;1;33m"
	lightBlue   = "\x1b[0;1;34m"
	lightPurple = "\x1b[0;1;35m"
	reset       = "\x1b[0;0m"
)

// paint puts text between a colour and the reset, or returns it alone without colours.
func (o Options) paint(color, text string) string {
	if !o.Color {
		return text
	}
	return color + text + reset
}

// clean makes text from the network harmless for a terminal, unless asked not to.
func (o Options) clean(text string) string {
	if o.KeepEscapes {
		return text
	}
	return strings.ReplaceAll(text, "\x1b", "?")
}

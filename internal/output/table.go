package output

import (
	"strings"
	"unicode/utf8"

	"github.com/saltern-io/saltern/internal/wire"
)

const (
	tableWidth = 50 // columns of one cell; longer texts are wrapped at spaces
	darkGray   = "\x1b[0;1;30m"
	lightGray  = "\x1b[0;37m"
	white      = "\x1b[0;1;37m"
)

// tableText shows lists of texts, of lists and of maps as boxed columns below the keys they stand
// under; other values are left out, as in stock (spec: key-management-cli §5).
func tableText(data any, opts Options) (string, error) {
	t := tabler{opts: opts}
	t.show(data, 0, 0)
	return strings.Join(t.lines, "\n"), nil
}

type tabler struct {
	opts  Options
	lines []string
}

func (t *tabler) line(indent int, color, text, suffix string) {
	t.lines = append(t.lines, strings.Repeat(" ", indent)+t.opts.paint(color, t.opts.clean(text))+suffix)
}

func (t *tabler) show(v any, indent, depth int) {
	if depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case *wire.Map:
		for _, e := range entries(v, true) {
			t.line(indent, darkGray, pyStr(e.key), ":")
			t.line(indent, darkGray, "----------", "")
			if rows, ok := e.value.([]any); ok {
				t.rows(rows, indent+4)
			} else {
				t.show(e.value, indent+4, depth+1)
			}
		}
	case []any:
		t.rows(v, indent+4)
	}
}

// rows draws one table. Rows of different kinds are not drawn.
func (t *tabler) rows(rows []any, indent int) {
	cells := tableCells(rows)
	if len(cells) == 0 {
		return
	}
	columns := 0
	for _, row := range cells {
		columns = max(columns, len(row))
	}
	if columns == 0 {
		return
	}
	wrapped := make([][][]string, len(cells)) // row, column, line
	widths := make([]int, columns)
	for i, row := range cells {
		wrapped[i] = make([][]string, columns)
		for j, cell := range row {
			wrapped[i][j] = strings.Split(wrapAtSpaces(cell), "\n")
			for _, line := range wrapped[i][j] {
				widths[j] = max(widths[j], utf8.RuneCountInString(line))
			}
		}
	}
	total := 4 + 3*(columns-1)
	for _, w := range widths {
		total += w
	}
	rule := strings.Repeat("-", total)
	t.line(indent, lightGray, rule, "")
	for _, row := range wrapped {
		for n := range lineCount(row) {
			t.line(indent, white, boxed(row, n, widths), "")
		}
		t.line(indent, lightGray, rule, "")
	}
}

func lineCount(row [][]string) int {
	n := 0
	for _, cell := range row {
		n = max(n, len(cell))
	}
	return n
}

func boxed(row [][]string, n int, widths []int) string {
	texts := make([]string, len(row))
	for j, cell := range row {
		if n < len(cell) {
			texts[j] = cell[n]
		}
		texts[j] = centred(texts[j], widths[j])
	}
	return "| " + strings.Join(texts, " | ") + " |"
}

// centred pads text on both sides as Python's str.center does: the odd column goes to the left when
// both the padding and the width are odd.
func centred(text string, width int) string {
	pad := width - utf8.RuneCountInString(text)
	if pad <= 0 {
		return text
	}
	left := pad/2 + pad&width&1
	return strings.Repeat(" ", left) + text + strings.Repeat(" ", pad-left)
}

// wrapAtSpaces breaks text at a space where the line would reach tableWidth.
func wrapAtSpaces(text string) string {
	words := strings.Split(text, " ")
	var b strings.Builder
	b.WriteString(words[0])
	length := utf8.RuneCountInString(words[0][strings.LastIndexByte(words[0], '\n')+1:])
	for _, word := range words[1:] {
		first, _, _ := strings.Cut(word, "\n")
		if length+utf8.RuneCountInString(first) >= tableWidth {
			b.WriteByte('\n')
			length = 0
		} else {
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		if i := strings.LastIndexByte(word, '\n'); i >= 0 {
			length = utf8.RuneCountInString(word[i+1:])
		} else {
			length += utf8.RuneCountInString(word)
		}
	}
	return b.String()
}

// tableCells turns rows into texts; maps get a heading row made of their keys.
func tableCells(rows []any) (cells [][]string) {
	for i, row := range rows {
		switch row := row.(type) {
		case string:
			if i > 0 && !isKind[string](rows[0]) {
				return nil
			}
			cells = append(cells, []string{row})
		case []any:
			if i > 0 && !isKind[[]any](rows[0]) {
				return nil
			}
			texts := make([]string, len(row))
			for j, v := range row {
				texts[j] = pyStr(v)
			}
			cells = append(cells, texts)
		case *wire.Map:
			if i > 0 && !isKind[*wire.Map](rows[0]) {
				return nil
			}
			var keys, values []string
			for _, e := range entries(row, true) {
				keys = append(keys, heading(pyStr(e.key)))
				values = append(values, pyStr(e.value))
			}
			if i == 0 {
				cells = append(cells, keys)
			}
			cells = append(cells, values)
		default:
			return nil
		}
	}
	return cells
}

func isKind[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// heading is a key as a column's title: last_move becomes Last Move.
func heading(key string) string {
	letters := []rune(strings.ToLower(strings.ReplaceAll(key, "_", " ")))
	for i, r := range letters {
		if i == 0 || letters[i-1] == ' ' {
			letters[i] = []rune(strings.ToUpper(string(r)))[0]
		}
	}
	return string(letters)
}

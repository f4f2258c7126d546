package metrics

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// ContentType is what a page in the text format says it is.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// WriteText writes the text format that Prometheus reads, version 0.0.4.
func (s Snapshot) WriteText(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, f := range s.Families {
		out.WriteString("# HELP " + f.Name + " " + helpEscapes.Replace(f.Help) + "\n")
		out.WriteString("# TYPE " + f.Name + " " + f.Kind.String() + "\n")
		for _, sample := range f.Samples {
			if f.Kind == Summary {
				writeLine(out, f.Name+"_sum", sample.Labels, number(sample.Value))
				writeLine(out, f.Name+"_count", sample.Labels, strconv.FormatUint(sample.Count, 10))
				continue
			}
			writeLine(out, f.Name, sample.Labels, number(sample.Value))
		}
	}
	return out.Flush() // keeps the first error of all writes
}

func writeLine(out *bufio.Writer, name string, labels []Pair, value string) {
	out.WriteString(name)
	for i, p := range labels {
		sep := `,`
		if i == 0 {
			sep = `{`
		}
		out.WriteString(sep + p.Name + `="` + labelEscapes.Replace(p.Value) + `"`)
	}
	if len(labels) > 0 {
		out.WriteByte('}')
	}
	out.WriteString(" " + value + "\n")
}

// number writes whole numbers without an exponent.
func number(v float64) string {
	if v == float64(int64(v)) && v < 1<<53 && v > -(1<<53) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

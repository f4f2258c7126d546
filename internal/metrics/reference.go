package metrics

import (
	"io"
	"strings"
)

// WriteReference prints the catalogue as a Markdown page.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Metrics\n\n" +
		"Generated from the catalogue by `go test ./internal/metrics -update`; do not edit.\n\n" +
		"Read them with `GET /metrics` from `saltern-master-status.sock`, `saltern-syndic-status.sock` or `saltern-broker-status.sock` in `sock_dir`, or over TCP\n" +
		"when `saltern_metrics_address` (master, broker) or `saltern_syndic_metrics_address` (syndic) is set; beside it are `/healthz`\n" +
		"(the process lives) and `/readyz` (it serves). Names that begin with `salt_` are those of Salt 3008's own instruments.\n" +
		"No label ever carries a minion id, a jid or a user. Counters start at 0 with the daemon.\n\n" +
		"| Metric | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n")
	for _, m := range catalogue {
		b.WriteString("| `" + m.Name + "` | " + m.Kind.String() + " | " + describe(m.Labels) + " | " + m.Help + " |\n")
	}
	b.WriteString("\nA summary is two series, `_sum` and `_count`.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func describe(labels []Label) string {
	var parts []string
	for _, l := range labels {
		of := "from " + l.From
		if l.Values != nil {
			of = strings.Join(l.Values, ", ")
		}
		parts = append(parts, "`"+l.Name+"`: "+of)
	}
	return strings.Join(parts, "; ")
}

package output

// JSONLine writes data as Python's json module does with ensure_ascii off: one line, ", " and ": " between the parts.
// Bytes that are no text become their Python literal. It fails for data nested too deeply, and for keys that are no
// scalars (spec: job-cache §3).
func JSONLine(data any) (string, error) {
	oneLine := -1
	return jsonText(data, Options{Indent: &oneLine})
}

// PyText is Python's str() of a value: the text itself, or the literal of anything else.
func PyText(v any) string { return pyStr(v) }

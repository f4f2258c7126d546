package wire

// mapWriter builds a map whose number of pairs is known only at the end.
type mapWriter struct {
	dst  []byte
	at   int // where the header is
	n    int
	mode Mode
}

func beginMap(dst []byte, m Mode) mapWriter {
	return mapWriter{dst: append(dst, 0x80), at: len(dst), mode: m}
}

func (w *mapWriter) key(k string) {
	w.dst = AppendStr(w.dst, k, w.mode)
	w.n++
}

func (w *mapWriter) str(k, v string) {
	w.key(k)
	w.dst = AppendStr(w.dst, v, w.mode)
}

// strIf writes text that is absent when empty.
func (w *mapWriter) strIf(k, v string) {
	if v != "" {
		w.str(k, v)
	}
}

func (w *mapWriter) bytes(k string, v []byte) {
	w.key(k)
	w.dst = AppendBytes(w.dst, v, w.mode)
}

// bytesIf writes bytes that are absent when nil.
func (w *mapWriter) bytesIf(k string, v []byte) {
	if v != nil {
		w.bytes(k, v)
	}
}

func (w *mapWriter) int(k string, v int64) {
	w.key(k)
	w.dst = AppendInt(w.dst, v)
}

func (w *mapWriter) null(k string) {
	w.key(k)
	w.dst = AppendNil(w.dst)
}

// trueIf writes a mark that is absent when it does not hold.
func (w *mapWriter) trueIf(k string, v bool) {
	if v {
		w.key(k)
		w.dst = AppendBool(w.dst, true)
	}
}

// raw writes a checked span as it is; an empty span becomes nil.
func (w *mapWriter) raw(k string, v []byte) {
	w.key(k)
	if len(v) == 0 {
		w.dst = AppendNil(w.dst)
		return
	}
	w.dst = append(w.dst, v...)
}

// rawIf writes a checked span that is absent when empty.
func (w *mapWriter) rawIf(k string, v []byte) {
	if len(v) > 0 {
		w.raw(k, v)
	}
}

// end sets the header and returns the bytes.
func (w *mapWriter) end() []byte {
	if w.n < 16 {
		w.dst[w.at] = 0x80 | byte(w.n)
		return w.dst
	}
	var h [5]byte
	header := AppendMapHeader(h[:0], w.n)
	grow := len(header) - 1
	w.dst = append(w.dst, header[:grow]...)
	copy(w.dst[w.at+len(header):], w.dst[w.at+1:len(w.dst)-grow])
	copy(w.dst[w.at:], header)
	return w.dst
}

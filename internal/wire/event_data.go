package wire

// dropSecrets names what never leaves a load: proof of identity and the nonce.
func dropSecrets(key []byte) bool { return string(key) == "tok" || string(key) == "nonce" }

func dropNothing([]byte) bool { return false }

// appendEvent appends raw, a checked map, as event data: Local mode, without the keys drop names, _stamp set.
func appendEvent(dst, raw []byte, stamp string, drop func(key []byte) bool) []byte {
	return appendFiltered(dst, raw, Local, stamp, drop)
}

// appendFiltered does the work of appendEvent in either mode; an empty stamp leaves _stamp as it is.
func appendFiltered(dst, raw []byte, m Mode, stamp string, drop func(key []byte) bool) []byte {
	w := beginMap(dst, m)
	stamped := stamp == ""
	it, _ := iterate(raw)
	for it.next() {
		switch {
		case it.key != nil && drop(it.key):
		case stamp != "" && string(it.key) == "_stamp":
			w.str("_stamp", stamp)
			stamped = true
		default:
			w.dst = Transcode(Transcode(w.dst, it.rawKey, m), it.val, m)
			w.n++
		}
	}
	if !stamped {
		w.str("_stamp", stamp)
	}
	return w.end()
}

package wire

import "unicode/utf8"

// Transcode appends raw, one checked value, re-encoded in mode m without building a tree: every header in its shortest form,
// floats as 64 bit, and text and bytes told apart by being valid UTF-8, whatever raw calls them. Order and
// repeated keys stay. It allocates only to grow dst. Bytes after a fault in unchecked input are left out.
func Transcode(dst, raw []byte, m Mode) []byte {
	same := 0 // raw[same:i] is already in the form wanted and is copied in one go
	i := 0
	for i < len(raw) {
		switch c := raw[i]; {
		case c < 0xa0, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
			i++ // small integers, small containers, nil and booleans have one form only
			continue
		case c < 0xc0:
			end := i + 1 + int(c&0x1f)
			if end <= len(raw) && (m == Wire || utf8.Valid(raw[i+1:end])) {
				i = end
				continue
			}
		}
		dst = append(dst, raw[same:i]...)
		k, n, next := head(raw, i)
		switch k {
		case kindStr, kindBin:
			if n > len(raw)-next {
				return dst
			}
			dst = appendRawText(dst, raw[next:next+n], m)
			i = next + n
		case kindList:
			dst, i = AppendListHeader(dst, n), next
		case kindMap:
			dst, i = AppendMapHeader(dst, n), next
		default:
			if k == kindBad || k == kindShort || n > len(raw)-next {
				return dst
			}
			dst = appendScalar(dst, raw, i, n, next)
			i = next + n
		}
		same = i
	}
	return append(dst, raw[same:]...)
}

func appendRawText(dst, text []byte, m Mode) []byte {
	if m == Wire || !utf8.Valid(text) {
		return AppendBytes(dst, text, m)
	}
	return append(appendStrHeader(dst, len(text), m), text...)
}

func appendScalar(dst, raw []byte, i, n, next int) []byte {
	if f, ok := floatAt(raw, i); ok {
		return AppendFloat(dst, f)
	}
	if v, big, ok := intAt(raw, i); ok {
		if big {
			return AppendUint(dst, uint64(v))
		}
		return AppendInt(dst, v)
	}
	return AppendExt(dst, Ext{Code: int8(raw[next-1]), Data: raw[next : next+n]})
}

package wire

import "unicode/utf8"

// Transcode appends raw, one checked value, re-encoded in mode m without building a tree: every header in its shortest form,
// floats as 64 bit, and text and bytes told apart by being valid UTF-8, whatever raw calls them. Order and
// repeated keys stay. It allocates only to grow dst. Bytes after a fault in unchecked input are left out.
func Transcode(dst, raw []byte, m Mode) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c < 0xa0 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3 {
			dst = append(dst, c) // small integers, small containers, nil and booleans have one form only
			i++
			continue
		}
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
	}
	return dst
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

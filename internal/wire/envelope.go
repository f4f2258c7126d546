package wire

import (
	"math"
	"strconv"
	"strings"
)

// Level is the protocol level of a request, the integer in version: 0 or 1 without nonces, 2 with nonces and signed replies, 3 with
// session keys. Higher numbers count as 3. Spec: transport §1.
type Level uint8

// MaxLevel is the highest level.
const MaxLevel Level = 3

// Envelope is the outer map of a request. Spec: transport §2.4.
type Envelope struct {
	Enc     string // EncClear or EncAES
	Level   Level
	Load    []byte // clear: the raw span of the load, of any kind; aes: the ciphertext
	ID      string // aes, level 3: selects the session key
	EncAlgo string // aes: the variant wanted in private replies, "" for the default
	SigAlgo string
}

// ParseEnvelope checks body against OuterLimits and splits it. The refusal is nil when all is well, otherwise the complete reply:
// rows 1 and 2 of transport §2.5, and BadLoad for an enc other than clear and aes, which stock lets
// through. Load aliases body. Fields of a wrong type are BadLoad, except version: it is converted as an
// integer, and what is no number counts as 0. For a clear load rows 6 to 8 are left to ParseLoad.
func ParseEnvelope(body []byte) (Envelope, Refusal) {
	if Check(body, OuterLimits) != nil {
		return Envelope{}, BadLoadMap
	}
	it, ok := iterate(body)
	if !ok {
		return Envelope{}, BadLoad
	}
	var e Envelope
	for it.next() {
		var err error
		switch string(it.key) {
		case "enc":
			err = readStr("enc", it.val, &e.Enc)
		case "load":
			e.Load = it.val
		case "version":
			e.Level = levelOf(it.val)
		case "id":
			err = readStr("id", it.val, &e.ID)
		case "enc_algo":
			err = readStr("enc_algo", it.val, &e.EncAlgo)
		case "sig_algo":
			err = readStr("sig_algo", it.val, &e.SigAlgo)
		}
		if err != nil {
			return Envelope{}, BadLoad
		}
	}
	switch {
	case e.Load == nil:
		return Envelope{}, BadLoad
	case e.Enc == EncClear:
		return e, nil
	case e.Enc == EncAES:
		if e.Load, ok = Bytes(e.Load); ok {
			return e, nil
		}
	}
	return Envelope{}, BadLoad
}

// levelOf converts the value of version as Python's int() would.
func levelOf(raw []byte) Level {
	if v, big, ok := intAt(raw, 0); ok {
		if big {
			return MaxLevel
		}
		return clampLevel(v)
	}
	if f, ok := floatAt(raw, 0); ok {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return 0
		}
		return clampLevel(int64(max(min(f, 1000), -1000)))
	}
	if v, ok := Bool(raw); ok && v {
		return 1
	}
	text, ok := Bytes(raw)
	if !ok || len(text) > 64 {
		return 0
	}
	v, err := strconv.ParseFloat(digits(string(text)), 64)
	if err != nil {
		return 0
	}
	return clampLevel(int64(min(v, 1000)))
}

// digits returns the number in s when it is a plain decimal integer, "" otherwise.
func digits(s string) string {
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(s, "+")
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return ""
		}
	}
	return s
}

func clampLevel(v int64) Level { return Level(max(0, min(v, int64(MaxLevel)))) }

// Append appends the envelope in stock's order: enc, load, version, id, enc_algo, sig_algo. version is left out at level 0,
// the others when empty.
func (e Envelope) Append(dst []byte) []byte {
	w := beginMap(dst, Wire)
	w.str("enc", e.Enc)
	if e.Enc == EncAES {
		w.bytes("load", e.Load)
	} else {
		w.raw("load", e.Load)
	}
	if e.Level > 0 {
		w.int("version", int64(e.Level))
	}
	w.strIf("id", e.ID)
	w.strIf("enc_algo", e.EncAlgo)
	w.strIf("sig_algo", e.SigAlgo)
	return w.end()
}

// AppendClear appends a clear envelope around load, one raw map.
func AppendClear(dst, load []byte, lvl Level) []byte {
	return Envelope{Enc: EncClear, Level: lvl, Load: load}.Append(dst)
}

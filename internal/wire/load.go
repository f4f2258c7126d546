package wire

import "strings"

// maxNonce and maxTok bound two fields of every load: a nonce is echoed in the reply, a tok is one RSA block.
const (
	maxNonce = 64
	maxTok   = 4096
)

// Load is what dispatch has to know of a decrypted or clear load. Spec: transport §2.4.
type Load struct {
	Raw    []byte // the whole map, aliasing the input
	Cmd    string // "" when it is not a string
	HasCmd bool
	ID     string
	HasID  bool
	Nonce  string // "" without one
	Tok    []byte // nil without one; aliases the input
	TS     int64  // Unix seconds
	HasTS  bool
}

// ParseLoad checks a load against LoadLimits and applies rows 6 to 8 of transport §2.5. The refusal is nil when all is well.
// Malformed bytes, a nonce or tok of a wrong type or length, and a repeated cmd, id, nonce or tok are BadLoad.
func ParseLoad(load []byte) (Load, Refusal) {
	if Check(load, LoadLimits) != nil {
		return Load{}, BadLoad
	}
	it, ok := iterate(load)
	if !ok {
		return Load{}, NotDict
	}
	l := Load{Raw: load}
	var id []byte
	hasNonce := false
	for it.next() {
		switch string(it.key) {
		case "cmd":
			if l.HasCmd {
				return Load{}, BadLoad
			}
			l.HasCmd = true
			l.Cmd, _ = Str(it.val)
		case "id":
			if id != nil {
				return Load{}, BadLoad
			}
			id = it.val
		case "nonce":
			if hasNonce || readStr("nonce", it.val, &l.Nonce) != nil || len(l.Nonce) > maxNonce {
				return Load{}, BadLoad
			}
			hasNonce = true
		case "tok":
			tok, ok := Bytes(it.val)
			if !ok || l.Tok != nil || len(tok) > maxTok {
				return Load{}, BadLoad
			}
			l.Tok = tok
		case "ts":
			l.TS, l.HasTS = seconds(it.val)
		}
	}
	if id == nil {
		return l, nil
	}
	l.HasID = true
	v := decodeChecked(id, Wire)
	s, ok := v.(string)
	switch {
	case !ok:
		return Load{}, IDNotString(v)
	case strings.IndexByte(s, 0) >= 0:
		return Load{}, NullID
	}
	l.ID = s
	return l, nil
}

// seconds reads a time in seconds, an integer or a float.
func seconds(raw []byte) (int64, bool) {
	if v, ok := Int(raw); ok {
		return v, true
	}
	if f, ok := floatAt(raw, 0); ok && f > -1e15 && f < 1e15 {
		return int64(f), true
	}
	return 0, false
}

// Proof is what a minion or syndic adds to every encrypted load: nonce at level 2, all of it at level 3.
// Spec: transport §2.4.
type Proof struct {
	ID    string // "" where the load has its own id
	Nonce string
	TS    int64  // Unix seconds; left out when 0
	Tok   []byte // left out when nil
}

// proof writes the fields in the order in which stock adds them.
func (w *mapWriter) proof(p Proof) {
	w.strIf("nonce", p.Nonce)
	if p.TS != 0 {
		w.int("ts", p.TS)
	}
	w.bytesIf("tok", p.Tok)
	w.strIf("id", p.ID)
}

// AppendCommand appends a load of a command that needs no other field, such as _master_opts.
func AppendCommand(dst []byte, cmd string, p Proof) []byte {
	w := beginMap(dst, Wire)
	w.str("cmd", cmd)
	w.proof(p)
	return w.end()
}

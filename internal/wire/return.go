package wire

import "fmt"

// ErrIncomplete is returned for a return without return, jid or id: it is ignored and answered with nil.
var ErrIncomplete = fmt.Errorf("%w: return, jid or id is missing", ErrField)

// Return is what a minion answers to a job. Spans alias the load and are nil when the field is absent.
// Spec: master-functions §2.4.
type Return struct {
	ID    string
	JID   string // "req" from salt-call and schedules
	Fun   any    // string, []any of strings for a compound call, nil when absent
	Nonce string

	Return, Retcode, Success, FunArgs, Out, Metadata, Schedule []byte // raw spans

	MasterID string
	NoCache  bool
	Tok      []byte // content, not a span
	Sig      []byte // content, not a span; nil when unsigned
	Raw      []byte // the whole load
}

// ParseReturn checks the load of a _return against LoadLimits and finds its fields; no tree is built. It returns
// ErrIncomplete when return, jid or id is missing, ErrField when one has the wrong type, ErrRepeatedField when one of
// these or tok stands twice.
func ParseReturn(load []byte) (Return, error) {
	if err := Check(load, LoadLimits); err != nil {
		return Return{}, err
	}
	it, ok := iterate(load)
	if !ok {
		return Return{}, ErrNotMap
	}
	r := Return{Raw: load}
	var id, jid, fun []byte
	for it.next() {
		var twice bool
		switch string(it.key) {
		case "id":
			id, twice = it.val, id != nil
		case "jid":
			jid, twice = it.val, jid != nil
		case "return":
			r.Return, twice = it.val, r.Return != nil
		case "tok":
			twice = r.Tok != nil
			r.Tok, _ = Bytes(it.val)
		case "fun":
			fun = it.val
		default:
			if err := r.rare(it.key, it.val); err != nil {
				return Return{}, err
			}
		}
		if twice {
			return Return{}, ErrRepeatedField
		}
	}
	if id == nil || jid == nil || r.Return == nil {
		return Return{}, ErrIncomplete
	}
	if err := readStr("id", id, &r.ID); err != nil {
		return Return{}, err
	}
	if err := readStr("jid", jid, &r.JID); err != nil {
		return Return{}, err
	}
	if fun != nil {
		if r.Fun = decodeChecked(fun, Wire); r.Fun != nil && !isStrOrList(r.Fun) {
			return Return{}, errKind("fun", "a string or a list")
		}
	}
	return r, nil
}

func (r *Return) rare(key, val []byte) error {
	switch string(key) {
	case "retcode":
		r.Retcode = val
	case "success":
		r.Success = val
	case "fun_args":
		r.FunArgs = val
	case "out":
		r.Out = val
	case "metadata":
		r.Metadata = val
	case "schedule":
		r.Schedule = val
	case "nocache":
		r.NoCache, _ = Bool(val)
	case "master_id":
		return readOptStr("master_id", val, &r.MasterID)
	case "nonce":
		return readOptStr("nonce", val, &r.Nonce)
	case "sig":
		if !IsNil(val) {
			sig, ok := Bytes(val)
			if !ok {
				return errKind("sig", "bytes")
			}
			r.Sig = sig
		}
	}
	return nil
}

// FunName returns the function, the first one of a compound call, "" when unknown.
func (r *Return) FunName() string {
	switch f := r.Fun.(type) {
	case string:
		return f
	case []any:
		if len(f) > 0 {
			s, _ := f[0].(string)
			return s
		}
	}
	return ""
}

// AppendEventData appends the data of the event salt/job/<jid>/ret/<id>: the load in Local mode without tok and nonce, with _stamp set
// to stamp. An existing _stamp keeps its place, as it does in stock; otherwise it comes last. It allocates only to grow dst.
func (r *Return) AppendEventData(dst []byte, stamp string) []byte {
	return appendEvent(dst, r.Raw, stamp, dropSecrets)
}

// AppendSigned appends the bytes that sig covers when the minion signs its messages: the load in Local mode without sig, tok and
// nonce. Spec: transport §3.3.
func (r *Return) AppendSigned(dst []byte) []byte {
	return appendEvent(dst, r.Raw, "", func(key []byte) bool { return dropSecrets(key) || string(key) == "sig" })
}

// AppendStored appends the load in Wire mode without tok and nonce: what may be kept and passed on.
func (r *Return) AppendStored(dst []byte) []byte {
	return appendFiltered(dst, r.Raw, Wire, "", dropSecrets)
}

// RewriteRequested appends the load of a return with jid "req" as the master goes on with it: the new jid in place,
// tok and nonce gone, arg (fun_args when absent), tgt_type "glob" and tgt set. ParseReturn reads the result.
func (r *Return) RewriteRequested(dst []byte, jid string) []byte {
	w := beginMap(dst, Wire)
	var arg []byte
	it, _ := iterate(r.Raw)
	for it.next() {
		switch {
		case dropSecrets(it.key), string(it.key) == "tgt_type", string(it.key) == "tgt":
		case string(it.key) == "jid":
			w.str("jid", jid)
		case string(it.key) == "arg":
			arg = it.val
		default:
			w.dst = append(append(w.dst, it.rawKey...), it.val...)
			w.n++
		}
	}
	if arg == nil {
		arg = r.FunArgs
	}
	if arg == nil {
		arg = []byte{0x90}
	}
	w.raw("arg", arg)
	w.str("tgt_type", "glob")
	w.str("tgt", r.ID)
	return w.end()
}

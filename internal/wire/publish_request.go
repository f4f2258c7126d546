package wire

// PublishRequest is the clear request by which a CLI, a syndic or an API has a master publish a job.
// Spec: master-functions §4.
type PublishRequest struct {
	Tgt     any // string or []any
	Fun     any // string, or []any of strings for a compound call
	Arg     []any
	Key     string // root key or another user's key; "" when token or eauth is used
	TgtType string
	Ret     string
	JID     string // "" lets the master choose
	User    string
	Kwargs  *Map // nil when absent
	To      int  // seconds
	HasTo   bool
	Raw     []byte // the load as received, aliasing the input; unused when encoding
}

// ParsePublishRequest checks the load of a publish request against OuterLimits and decodes it. user, fun, tgt, arg, tgt_type and ret
// have to be there; key, jid, kwargs and to may be missing or nil. It returns ErrField otherwise, to be answered
// with PayloadException.
func ParsePublishRequest(load []byte) (PublishRequest, error) {
	if err := Check(load, OuterLimits); err != nil {
		return PublishRequest{}, err
	}
	it, ok := iterate(load)
	if !ok {
		return PublishRequest{}, ErrNotMap
	}
	r := PublishRequest{Raw: load}
	required := map[string]bool{"user": false, "fun": false, "tgt": false, "arg": false, "tgt_type": false, "ret": false}
	for it.next() {
		key := string(it.key)
		if err := r.read(key, it.val); err != nil {
			return PublishRequest{}, err
		}
		if _, ok := required[key]; ok {
			required[key] = true
		}
	}
	for _, key := range []string{"user", "fun", "tgt", "arg", "tgt_type", "ret"} {
		if !required[key] {
			return PublishRequest{}, errMissing(key)
		}
	}
	return r, nil
}

func (r *PublishRequest) read(key string, val []byte) error {
	switch key {
	case "tgt", "fun":
		v := decodeChecked(val, Wire)
		if !isStrOrList(v) {
			return errKind(key, "a string or a list")
		}
		if key == "tgt" {
			r.Tgt = v
		} else {
			r.Fun = v
		}
	case "arg":
		if IsNil(val) {
			r.Arg = []any{}
			return nil
		}
		l, ok := decodeChecked(val, Wire).([]any)
		if !ok {
			return errKind(key, "a list")
		}
		r.Arg = l
	case "key":
		return readOptStr(key, val, &r.Key)
	case "tgt_type":
		return readOptStr(key, val, &r.TgtType)
	case "ret":
		return readOptStr(key, val, &r.Ret)
	case "jid":
		return readOptStr(key, val, &r.JID)
	case "user":
		return readStr(key, val, &r.User)
	case "kwargs":
		if IsNil(val) {
			return nil
		}
		m, ok := decodeChecked(val, Wire).(*Map)
		if !ok {
			return errKind(key, "a map")
		}
		r.Kwargs = m
	case "to":
		if to, ok := seconds(val); ok {
			r.To, r.HasTo = int(to), true
		} else if !IsNil(val) {
			return errKind(key, "a number")
		}
	}
	return nil
}

// AppendLoad appends the load in stock's order: cmd, tgt, fun, arg, key, tgt_type, ret, jid, kwargs, user, to.
func (r PublishRequest) AppendLoad(dst []byte) ([]byte, error) {
	arg := r.Arg
	if arg == nil {
		arg = []any{}
	}
	m := NewMap("cmd", CmdPublish, "tgt", r.Tgt, "fun", r.Fun, "arg", arg)
	setStr(m, "key", r.Key)
	m.Set("tgt_type", r.TgtType)
	m.Set("ret", r.Ret)
	m.Set("jid", r.JID)
	if r.Kwargs != nil {
		m.Set("kwargs", r.Kwargs)
	}
	m.Set("user", r.User)
	if r.HasTo {
		m.Set("to", r.To)
	}
	return Append(dst, m, Wire)
}

// AppendEnvelope appends the complete clear request at level lvl.
func (r PublishRequest) AppendEnvelope(dst []byte, lvl Level) ([]byte, error) {
	load, err := r.AppendLoad(nil)
	if err != nil {
		return dst, err
	}
	return AppendClear(dst, load, lvl), nil
}

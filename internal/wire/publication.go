package wire

import "math"

// Publication is the clear load of a publication. Spec: transport §4.5.
//
// Strings after Ret are absent when empty. Fields of type any after To are absent when nil and present as nil when
// Null{}. What does not fit, such as a user that is no string, is kept in Extra.
type Publication struct {
	Fun       any // string, or []any of strings for a compound call
	Arg       []any
	Tgt       any // string or []any
	JID       string
	Ret       string
	MasterID  string
	Delimiter string
	ID        string
	TgtType   string
	To        any // seconds, int64; absent when nil

	RetConfig, Metadata, ModuleExecutors, ExecutorOpts, RetKwargs any

	User        string
	AuthList    []any
	HasAuthList bool
	Extra       *Map   // keys unknown to this release, written before serial
	Serial      uint64 // 0 when absent
}

// ParsePublication checks the decrypted load of a publication against LoadLimits and decodes it. It returns
// ErrField when fun, arg, tgt or jid is missing or of the wrong type (a minion drops such a job too).
func ParsePublication(load []byte) (Publication, error) {
	m, err := DecodeMap(load, Wire, LoadLimits)
	if err != nil {
		return Publication{}, err
	}
	var p Publication
	seen := 0
	for k, v := range m.All() {
		key, ok := k.(string)
		if !ok || !p.take(key, v) {
			if key == "fun" || key == "arg" || key == "tgt" || key == "jid" {
				return Publication{}, errKind(key, "of a usable type")
			}
			if p.Extra == nil {
				p.Extra = &Map{}
			}
			p.Extra.Set(k, v)
		}
		switch key {
		case "fun", "arg", "tgt", "jid":
			seen++
		}
	}
	if seen != 4 {
		return Publication{}, errMissing("fun, arg, tgt or jid")
	}
	return p, nil
}

// take stores one pair; false when it is unknown or does not fit the field.
func (p *Publication) take(key string, v any) bool {
	switch key {
	case "fun":
		p.Fun = v
		return isStrOrList(v)
	case "tgt":
		p.Tgt = v
		return isStrOrList(v)
	case "arg":
		l, ok := v.([]any)
		p.Arg = l
		return ok
	case "jid":
		return takeStr(v, &p.JID)
	case "ret":
		s, ok := v.(string)
		p.Ret = s
		return ok
	case "master_id":
		return takeStr(v, &p.MasterID)
	case "delimiter":
		return takeStr(v, &p.Delimiter)
	case "id":
		return takeStr(v, &p.ID)
	case "tgt_type":
		return takeStr(v, &p.TgtType)
	case "user":
		return takeStr(v, &p.User)
	case "to":
		p.To = present(v)
	case "ret_config":
		p.RetConfig = present(v)
	case "metadata":
		p.Metadata = present(v)
	case "module_executors":
		p.ModuleExecutors = present(v)
	case "executor_opts":
		p.ExecutorOpts = present(v)
	case "ret_kwargs":
		p.RetKwargs = present(v)
	case "auth_list":
		p.AuthList, p.HasAuthList = v.([]any)
		return p.HasAuthList
	case "serial":
		n, ok := v.(int64)
		if !ok || n < 1 {
			return false
		}
		p.Serial = uint64(n)
	default:
		return false
	}
	return true
}

// takeStr stores a string that is not empty: an empty one counts as absent and would be lost.
func takeStr(v any, into *string) bool {
	s, ok := v.(string)
	*into = s
	return ok && s != ""
}

func present(v any) any {
	if v == nil {
		return Null{}
	}
	return v
}

func isStrOrList(v any) bool {
	switch v.(type) {
	case string, []any:
		return true
	}
	return false
}

// Map returns the load as an ordered map in stock's order, without serial: the data of the event
// salt/job/<jid>/publish. Values are shared with p.
func (p *Publication) Map() *Map {
	m := &Map{entries: make([]entry, 0, 12)}
	arg := p.Arg
	if arg == nil {
		arg = []any{}
	}
	m.Set("fun", p.Fun)
	m.Set("arg", arg)
	m.Set("tgt", p.Tgt)
	m.Set("jid", p.JID)
	m.Set("ret", p.Ret)
	setStr(m, "master_id", p.MasterID)
	setStr(m, "delimiter", p.Delimiter)
	setStr(m, "id", p.ID)
	setStr(m, "tgt_type", p.TgtType)
	setAny(m, "to", p.To)
	setAny(m, "ret_config", p.RetConfig)
	setAny(m, "metadata", p.Metadata)
	setAny(m, "module_executors", p.ModuleExecutors)
	setAny(m, "executor_opts", p.ExecutorOpts)
	setAny(m, "ret_kwargs", p.RetKwargs)
	setStr(m, "user", p.User)
	if p.HasAuthList {
		list := p.AuthList
		if list == nil {
			list = []any{}
		}
		m.Set("auth_list", list)
	}
	for k, v := range p.Extra.All() {
		m.Set(k, v)
	}
	return m
}

// AppendLoad appends the clear load in stock's key order, serial last. Errors are those of Append. A serial above MaxInt64
// is refused with ErrField: minions compare signed numbers.
func (p *Publication) AppendLoad(dst []byte) ([]byte, error) {
	if p.Serial > math.MaxInt64 {
		return dst, errKind("serial", "a signed 64 bit number")
	}
	m := p.Map()
	if p.Serial > 0 {
		m.Set("serial", p.Serial)
	}
	return Append(dst, m, Wire)
}

func setStr(m *Map, key, v string) {
	if v != "" {
		m.Set(key, v)
	}
}

func setAny(m *Map, key string, v any) {
	switch v.(type) {
	case nil:
	case Null:
		m.Set(key, nil)
	default:
		m.Set(key, v)
	}
}

package wire

// SyndicReturn is the returns of one job that a syndic passes up. Spans are checked raw values in Wire mode; nil means absent.
// Spec: syndic §7 and §8.
type SyndicReturn struct {
	ID       string // the syndic's id
	JID      string
	Fun      []byte // raw span
	Load     []byte // raw span of the job's load; nil is written as an empty map
	Minions  []MinionReturn
	MasterID string // "" when absent
	FunArgs  []byte // raw span
	Out      []byte // raw span
	Sig      []byte // raw span
}

// MinionReturn is one minion's part: a raw map with return, retcode, success, fun_args …
type MinionReturn struct {
	ID   string
	Body []byte
}

// ParseSyndicReturns checks the load of a _syndic_return against LoadLimits and returns its elements; without a list the request itself
// is the one element, as old syndics have it. Elements without return, jid or id, or with these of a wrong type, and
// minions whose part is no map are left out, as stock does. Spans alias the load.
func ParseSyndicReturns(load []byte) ([]SyndicReturn, error) {
	if err := Check(load, LoadLimits); err != nil {
		return nil, err
	}
	if !IsMap(load) {
		return nil, ErrNotMap
	}
	list, _ := Field(load, "load")
	if !IsList(list) {
		s, err := parseSyndicReturn(load)
		if err != nil {
			return nil, nil //nolint:nilerr // an incomplete element is skipped, not an error
		}
		return []SyndicReturn{s}, nil
	}
	var out []SyndicReturn
	err := ScanList(list, func(val []byte) error {
		if s, err := parseSyndicReturn(val); err == nil {
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

func parseSyndicReturn(raw []byte) (SyndicReturn, error) {
	it, ok := iterate(raw)
	if !ok {
		return SyndicReturn{}, ErrNotMap
	}
	var s SyndicReturn
	var ret []byte
	for it.next() {
		var err error
		switch key := string(it.key); key {
		case "id":
			err = readStr(key, it.val, &s.ID)
		case "jid":
			err = readStr(key, it.val, &s.JID)
		case "return":
			ret = it.val
		case "fun":
			s.Fun = it.val
		case "load":
			if IsMap(it.val) {
				s.Load = it.val
			}
		case "master_id":
			err = readOptStr(key, it.val, &s.MasterID)
		case "fun_args":
			s.FunArgs = it.val
		case "out":
			s.Out = it.val
		case "sig":
			s.Sig = it.val
		}
		if err != nil {
			return SyndicReturn{}, err
		}
	}
	if s.ID == "" || s.JID == "" || !IsMap(ret) {
		return SyndicReturn{}, ErrIncomplete
	}
	s.Minions = minionReturns(ret)
	return s, nil
}

func minionReturns(ret []byte) []MinionReturn {
	out := make([]MinionReturn, 0, Len(ret))
	it, _ := iterate(ret)
	for it.next() {
		if len(it.key) > 0 && IsMap(it.val) {
			out = append(out, MinionReturn{ID: string(it.key), Body: it.val})
		}
	}
	return out
}

// overrides lists the fields of the element that go over those of each minion.
func (s *SyndicReturn) overrides() [5]struct {
	key string
	val []byte
} {
	var master []byte
	if s.MasterID != "" {
		master = AppendStr(nil, s.MasterID, Wire)
	}
	return [5]struct {
		key string
		val []byte
	}{{"master_id", master}, {"fun", s.Fun}, {"fun_args", s.FunArgs}, {"out", s.Out}, {"sig", s.Sig}}
}

// AppendReturn appends the load of one minion's return for ParseReturn: jid and id, what the minion's part holds, and over it
// master_id, fun, fun_args, out and sig of the element. A jid or id, tok or nonce inside the part is dropped:
// a syndic speaks for the minions and jobs it names, and stock's looser rule lets the part replace both.
func (s *SyndicReturn) AppendReturn(dst []byte, m MinionReturn) []byte {
	over := s.overrides()
	w := beginMap(dst, Wire)
	w.str("jid", s.JID)
	w.str("id", m.ID)
	it, _ := iterate(m.Body)
next:
	for it.next() {
		if k := string(it.key); k == "jid" || k == "id" || k == "tok" || k == "nonce" {
			continue
		}
		for i := range over {
			if over[i].val != nil && string(it.key) == over[i].key {
				w.raw(over[i].key, over[i].val)
				over[i].val = nil
				continue next
			}
		}
		w.dst = append(append(w.dst, it.rawKey...), it.val...)
		w.n++
	}
	for i := range over {
		w.rawIf(over[i].key, over[i].val)
	}
	return w.end()
}

// AppendSyndicReturns appends the load of a _syndic_return in list form; raw spans are copied, never decoded.
func AppendSyndicReturns(dst []byte, list []SyndicReturn, p Proof) []byte {
	w := beginMap(dst, Wire)
	w.str("cmd", CmdSyndicReturn)
	w.key("load")
	w.dst = AppendListHeader(w.dst, len(list))
	for i := range list {
		w.dst = list[i].appendElement(w.dst)
	}
	w.proof(p)
	return w.end()
}

func (s *SyndicReturn) appendElement(dst []byte) []byte {
	w := beginMap(dst, Wire)
	w.str("id", s.ID)
	w.str("jid", s.JID)
	w.raw("fun", s.Fun)
	w.null("arg")
	w.null("tgt")
	w.null("tgt_type")
	if len(s.Load) == 0 {
		w.raw("load", []byte{0x80})
	} else {
		w.raw("load", s.Load)
	}
	w.key("return")
	w.dst = AppendMapHeader(w.dst, len(s.Minions))
	for _, m := range s.Minions {
		w.dst = append(AppendStr(w.dst, m.ID, Wire), m.Body...)
	}
	w.strIf("master_id", s.MasterID)
	w.rawIf("fun_args", s.FunArgs)
	w.rawIf("out", s.Out)
	w.rawIf("sig", s.Sig)
	return w.end()
}

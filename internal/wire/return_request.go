package wire

// ReturnRequest is a _return as a minion sends it. Spec: transport §2.4, master-functions §2.4.
type ReturnRequest struct {
	ID      string
	Success bool
	Return  any
	Retcode int
	JID     string
	Fun     any // string or []any
	FunArgs []any
	User    string // left out when empty
	Out     string // left out when empty
	Stamp   string // left out when empty
}

// AppendLoad appends the load in the order of stock minions; p.ID is not used.
func (r ReturnRequest) AppendLoad(dst []byte, p Proof) ([]byte, error) {
	args := r.FunArgs
	if args == nil {
		args = []any{}
	}
	m := NewMap("cmd", CmdReturn, "id", r.ID, "success", r.Success, "return", r.Return, "retcode", r.Retcode,
		"jid", r.JID, "fun", r.Fun, "fun_args", args)
	setStr(m, "user", r.User)
	setStr(m, "out", r.Out)
	setStr(m, "_stamp", r.Stamp)
	setStr(m, "nonce", p.Nonce)
	if p.TS != 0 {
		m.Set("ts", p.TS)
	}
	if p.Tok != nil {
		m.Set("tok", p.Tok)
	}
	return Append(dst, m, Wire)
}

package wire

import "fmt"

// JobIDTaken is the ErrName of a reply to a saltern syndic: another job has been published under the id.
const JobIDTaken = "JobIDTaken"

// PublishReply is the answer to publish. Either JID is set, or Err says why nothing was published.
// Spec: master-functions §4.
type PublishReply struct {
	JID     string
	Minions []string // targeted ids this master has accepted
	Missing []string // named in the target, but not accepted
	Err     string   // message; "" on success
	ErrName string   // AuthenticationError, AuthorizationError …; "" when nobody matched
	// Complete: nobody but Minions will return, those behind syndics included. Written only when true; stock
	// clients do not look at it.
	Complete bool
	// Repeated: this master has published the job before and has not sent it again. Written only when true.
	Repeated bool
}

// Append appends the reply as stock has it: {"error": {name, message}} with an ErrName, otherwise a clear envelope
// around jid, minions and missing, or around a nil jid, no minions and the error.
func (r PublishReply) Append(dst []byte) []byte {
	if r.ErrName != "" {
		return append(dst, NamedError(r.ErrName, r.Err)...)
	}
	w := beginMap(dst, Wire)
	w.str("enc", EncClear)
	w.key("load")
	in := beginMap(w.dst, Wire)
	if r.Err != "" {
		in.null("jid")
	} else {
		in.str("jid", r.JID)
	}
	in.key("minions")
	in.dst = AppendStrList(in.dst, r.Minions, Wire)
	if r.Err != "" {
		in.str("error", r.Err)
	} else {
		in.key("missing")
		in.dst = AppendStrList(in.dst, r.Missing, Wire)
		in.trueIf("complete", r.Complete)
		in.trueIf("repeated", r.Repeated)
	}
	w.dst = in.end()
	return w.end()
}

// UnresolvedTarget is the Err of a request whose target matches nobody; tgt is the decoded target.
func UnresolvedTarget(tgt any) string {
	s, ok := tgt.(string)
	if !ok {
		s = string(appendRepr(nil, tgt, 1024))
	}
	return "Master could not resolve minions for target " + s
}

// ParsePublishReply reads any answer to publish. Refusals by strings such as "bad load", {"msg": …} and the empty map
// come back as ErrReply; errors the master explains are in Err and ErrName.
func ParsePublishReply(body []byte) (PublishReply, error) {
	m, err := DecodeMap(body, Wire, OuterLimits)
	if err != nil {
		if s, ok := Str(body); ok {
			return PublishReply{}, fmt.Errorf("%w: %.80q", ErrReply, s)
		}
		return PublishReply{}, err
	}
	if e, ok := m.Get("error"); ok {
		name, text := ReplyError(e)
		return PublishReply{ErrName: name, Err: text}, nil
	}
	load := m.Map("load")
	if load == nil {
		return PublishReply{}, fmt.Errorf("%w: no load: %.80q", ErrReply, m.Str("msg"))
	}
	r := PublishReply{
		JID: load.Str("jid"), Minions: strs(load.List("minions")), Missing: strs(load.List("missing")),
		Complete: load.Bool("complete"), Repeated: load.Bool("repeated"),
	}
	if e, ok := load.Get("error"); ok {
		r.ErrName, r.Err = ReplyError(e)
	}
	if r.JID == "" && r.Err == "" {
		return PublishReply{}, fmt.Errorf("%w: neither jid nor error", ErrReply)
	}
	return r, nil
}

// ReplyError reads what stands under "error" in a clear reply: a text, or a map of name and message. name is "" for a
// text; anything else comes back as its shortened representation. spec: runners-and-wheel §2
func ReplyError(e any) (name, text string) {
	switch e := e.(type) {
	case string:
		return "", e
	case *Map:
		return e.Str("name"), e.Str("message")
	}
	return "", string(appendRepr(nil, e, 200))
}

// strs keeps the strings of a list.
func strs(l []any) []string {
	if l == nil {
		return nil
	}
	out := make([]string, 0, len(l))
	for _, v := range l {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

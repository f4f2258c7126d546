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
		return replyError(e), nil
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
		x := replyError(e)
		r.Err, r.ErrName = x.Err, x.ErrName
	}
	if r.JID == "" && r.Err == "" {
		return PublishReply{}, fmt.Errorf("%w: neither jid nor error", ErrReply)
	}
	return r, nil
}

// replyError reads an error that is a text or a map of name and message.
func replyError(e any) PublishReply {
	switch e := e.(type) {
	case string:
		return PublishReply{Err: e}
	case *Map:
		return PublishReply{ErrName: e.Str("name"), Err: e.Str("message")}
	}
	return PublishReply{Err: string(appendRepr(nil, e, 200))}
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

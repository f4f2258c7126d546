package syndic

import (
	"github.com/saltern-io/saltern/internal/wire"
)

// answered takes the part of a find_job that needs no asking below: minions whose return to the job is here do not run
// it any more. Their returns are in the outbox, in front of the answer, for as long as the upstream has not acknowledged
// them. true means that nobody is left to be asked.
func (s *Syndic) answered(from *Upstream, pub *publication) bool {
	if fun, _ := pub.load.Get("fun"); fun != findJob || pub.load.Str("tgt_type") != "list" {
		return false
	}
	args := pub.load.List("arg")
	if len(args) != 1 {
		return false
	}
	about, ok := args[0].(string)
	if !ok {
		return false
	}
	tgt, _ := pub.load.Get("tgt")
	ids, ok := targetList(tgt)
	if !ok {
		return false
	}
	returned, others := s.forward.returnedOf(about, ids)
	if len(returned) == 0 {
		return false
	}
	body, err := wire.Encode(wire.NewMap("return", wire.NewMap(), "retcode", 0, "success", true, "fun_args", []any{about}), wire.Wire)
	if err != nil {
		return false
	}
	fun := wire.AppendStr(nil, findJob, wire.Wire)
	list := make([]Routed, len(returned))
	for i, id := range returned {
		list[i] = Routed{To: 1 << from.index, Item: Item{Urgent: true, Return: &wire.SyndicReturn{
			ID: s.cfg.ID, JID: pub.jid, Fun: fun, MasterID: pub.load.Str("master_id"), Minions: []wire.MinionReturn{{ID: id, Body: body}},
		}}}
	}
	s.intake.put(list...)
	s.spared.Add(int64(len(returned)))
	if len(others) == 0 {
		return true
	}
	left := make([]any, len(others))
	for i, id := range others {
		left[i] = id
	}
	pub.load = pub.load.Clone()
	pub.load.Set("tgt", left)
	return false
}

// targetList reads a list target.
func targetList(tgt any) ([]string, bool) {
	list, ok := tgt.([]any)
	if !ok {
		return nil, false
	}
	ids := make([]string, len(list))
	for i, one := range list {
		if ids[i], ok = one.(string); !ok {
			return nil, false
		}
	}
	return ids, true
}

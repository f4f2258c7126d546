package master

import (
	"context"
	"fmt"
	"strings"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/pki"
)

// standaloneJID marks a return that belongs to no publication: salt-call, schedules.
const standaloneJID = "req"

// minionReturn takes `_return` (spec: master-functions §2.4). The return is stored by the job
// cache's group commit; then its event is fired, then the minion gets its acknowledgement. What is
// sealed and encoded is made here, in the worker, so that the committer only hands it on.
func (m *Master) minionReturn(r *request) ([]byte, error) {
	ret, err := wire.ParseReturn(r.load)
	if err != nil || ret.ID == "" || ret.JID == "" || pki.CheckID(ret.ID) != nil {
		return valueNil, nil // as stock: ignored, and the minion is content
	}
	cfg := m.cfg.Load()
	if cfg.RequireMinionSignMessages || ret.Sig != nil {
		if ok, err := m.returnSignatureGood(ret); err != nil || !ok {
			return valueFalse, err
		}
	}
	if ret.JID == standaloneJID {
		if ret, err = m.adoptStandalone(ret); err != nil {
			return nil, err
		}
	} else if !usableJID(ret.JID) {
		return valueNil, nil
	}
	ev := m.returnEvent(&ret, event.Stamp(m.now()))
	failures := m.stateFailures(ret)
	answer := r.seal(valueNil)
	m.stats.returns.Add(1)
	if !m.keepsReturns(ret) {
		m.bus.Fire(append([]event.Event{ev}, failures...)...)
		r.raw.Reply(answer)
		return nil, errLater
	}
	m.jobs.SaveReturn(jobcache.Return{JID: ret.JID, MinionID: ret.ID, Body: ret.AppendStored(nil)}, func(o jobcache.Outcome) {
		if o.Err != nil {
			m.stats.failed.Add(1)
			m.limited.Error("Return not stored", "jid", ret.JID, "minion", ret.ID, "err", o.Err)
			r.reply(valueEmptyStr) // not acknowledged: the minion's retry is our second chance
			return
		}
		if o.Duplicate {
			m.stats.duplicates.Add(1)
			m.limited.Debug("Return was here before", "jid", ret.JID, "minion", ret.ID)
		}
		m.bus.Fire(append([]event.Event{ev}, failures...)...)
		r.raw.Reply(answer)
	})
	return nil, errLater
}

// returnEvent is the event of one return. Only one that is larger than max_event_size is decoded, to
// be trimmed as stock trims it; the stored return stays whole.
func (m *Master) returnEvent(ret *wire.Return, stamp string) event.Event {
	tag := event.TagJobReturn(ret.JID, ret.ID)
	data := ret.AppendEventData(make([]byte, 0, len(ret.Raw)+48), stamp)
	most := m.cfg.Load().MaxEventSize
	if most <= 0 || len(data) <= most {
		return event.Event{Tag: tag, Data: data}
	}
	load, err := wire.DecodeMap(data, wire.Local, wire.LoadLimits)
	if err == nil {
		if ev, err := event.NewTrimmed(tag, load, m.now(), most); err == nil {
			return ev
		}
	}
	m.limited.Warn("Large return event could not be trimmed", "jid", ret.JID, "minion", ret.ID, "bytes", len(data))
	return event.Event{Tag: tag, Data: data}
}

// keepsReturns tells whether a return goes into the job cache at all.
func (m *Master) keepsReturns(ret wire.Return) bool {
	cfg := m.cfg.Load()
	return cfg.JobCache && cfg.ExtJobCache == "" && !ret.NoCache
}

// adoptStandalone gives a return without a job its own job (spec: master-functions §2.4 step 3).
func (m *Master) adoptStandalone(ret wire.Return) (wire.Return, error) {
	id := m.jids.Next()
	raw := ret.RewriteRequested(nil, id)
	job := jobcache.Job{JID: id, Load: raw, Minions: []string{ret.ID}, NoCache: ret.NoCache}
	if err := m.jobs.SaveLoad(context.Background(), job); err != nil {
		return ret, fmt.Errorf("store standalone job %s: %w", id, err)
	}
	if err := m.loads.SaveLoad(id, raw, job.Minions); err != nil {
		m.log.Error("Job load not written to the job directory", "jid", id, "err", err)
	}
	return wire.ParseReturn(raw)
}

// returnSignatureGood checks minion_sign_messages: the signature covers the new-spec encoding of
// the return without its transport fields (spec: transport §3.3, master-functions §2.4 step 1).
func (m *Master) returnSignatureGood(ret wire.Return) (bool, error) {
	cfg := m.cfg.Load()
	if ret.Sig == nil {
		return !cfg.RequireMinionSignMessages, nil
	}
	entry, err := m.keys.Lookup(ret.ID)
	if err != nil {
		return false, err
	}
	good := entry.State == pki.Accepted && entry.Key != nil
	if good {
		signed := ret.AppendSigned(nil)
		good = entry.Key.Verify(pki.PKCS1v15SHA1, signed, ret.Sig) == nil
	}
	if good {
		return true, nil
	}
	m.limited.Warn("Return with a bad signature", "minion", ret.ID, "dropped", cfg.DropMessagesSignatureFail)
	return !cfg.DropMessagesSignatureFail && !cfg.RequireMinionSignMessages, nil
}

// stateFailures are the events per failed state of a state run (spec: event-bus §6.1, 6 and 7).
func (m *Master) stateFailures(ret wire.Return) []event.Event {
	if !m.cfg.Load().StateEvents || !failedStateRun(&ret) {
		return nil
	}
	load, err := wire.DecodeMap(ret.Raw, wire.Wire, wire.LoadLimits)
	if err != nil {
		return nil
	}
	fun := load.Str("fun")
	states := load.Map("return")
	if states == nil || (fun != "state.highstate" && fun != "state.sls") {
		return nil
	}
	retcode, _ := load.Get("retcode")
	user, _ := load.Get("user")
	var out []event.Event
	for key, v := range states.All() {
		chunk, ok := v.(*wire.Map)
		if !ok {
			continue
		}
		if result, has := chunk.Get("result"); !has || result != false {
			continue
		}
		name, _ := key.(string)
		call := stateCall(name)
		data := chunk.Clone()
		data.Set("retcode", retcode)
		if ev, err := event.New(call, data, m.now()); err == nil {
			out = append(out, ev)
		}
		data.Set("jid", ret.JID)
		data.Set("id", ret.ID)
		data.Set("success", false)
		data.Set("return", "Error: "+call)
		data.Set("fun", fun)
		data.Set("user", user)
		if ev, err := event.New(event.TagStateError(ret.JID, ret.ID, fun), data, m.now()); err == nil {
			out = append(out, ev)
		}
	}
	return out
}

// stateCall is `<module>.<function>` of a state key `mod_|-ID_|-name_|-fun`.
func stateCall(key string) string {
	parts := strings.Split(key, "_|-")
	if len(parts) < 2 {
		return key
	}
	return parts[0] + "." + parts[len(parts)-1]
}

// failedStateRun reports whether the return is of a state run with a non-zero retcode. Other
// functions that run states, state.apply among them, fire no events in stock either.
func failedStateRun(ret *wire.Return) bool {
	switch ret.FunName() {
	case "state.highstate", "state.sls":
	default:
		return false
	}
	code, ok := wire.Int(ret.Retcode)
	return ok && code != 0
}

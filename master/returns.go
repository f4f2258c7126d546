package master

import (
	"context"
	"fmt"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/pki"
)

// standaloneJID marks a return that belongs to no publication: salt-call, schedules.
const standaloneJID = "req"

// uncachedJID is the job id of returns that nobody keeps.
const uncachedJID = "nocache"

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
		m.stats.unstored.Add(1)
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
		if !o.Duplicate && m.cfg.Load().JobCacheStoreEndtime {
			m.ends.note(ret.JID, m.now())
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
	return cfg.JobCache && cfg.ExtJobCache == "" && !ret.NoCache && ret.JID != uncachedJID
}

// adoptStandalone gives a return without a job its own job (spec: master-functions §2.4 step 3).
func (m *Master) adoptStandalone(ret wire.Return) (wire.Return, error) {
	id := m.nextJID()
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
		good = signedBy(entry.Key, ret)
	}
	if good {
		return true, nil
	}
	m.limited.Warn("Return with a bad signature", "minion", ret.ID, "dropped", cfg.DropMessagesSignatureFail)
	return !cfg.DropMessagesSignatureFail && !cfg.RequireMinionSignMessages, nil
}

// signedBy tries what the signature may cover: level 3 adds ts to the load after it was signed, and a
// minion signs with the algorithm that it is configured for.
func signedBy(key *pki.PublicKey, ret wire.Return) bool {
	candidates := [][]byte{ret.AppendSigned(nil)}
	if _, has := wire.Field(ret.Raw, "ts"); has {
		load, err := wire.DecodeMap(ret.Raw, wire.Wire, wire.LoadLimits)
		if err != nil {
			return false
		}
		for _, added := range []string{"sig", "tok", "nonce", "ts"} {
			load.Delete(added)
		}
		if plain, err := wire.Encode(load, wire.Local); err == nil {
			candidates = append(candidates, plain)
		}
	}
	for _, signed := range candidates {
		for _, alg := range []pki.SigAlgorithm{pki.PKCS1v15SHA1, pki.PKCS1v15SHA224} {
			if key.Verify(alg, signed, ret.Sig) == nil {
				return true
			}
		}
	}
	return false
}

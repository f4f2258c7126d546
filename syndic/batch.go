package syndic

import (
	"github.com/saltern-io/saltern/internal/wire"
)

// Bounds of one request.
const (
	maxBatchItems = 2000
	maxBatchBytes = 256 << 10
)

// batch is one request's worth of items, of one kind.
type batch struct {
	returns []wire.SyndicReturn
	events  []wire.EventItem
	items   int
	bytes   int
}

// makeBatch merges the returns of one job under one head into one element. A minion that returns
// twice to one job makes a second element, since one map cannot hold it twice.
func makeBatch(items []*Item) batch {
	var b batch
	at := map[string]int{}
	seen := map[string]struct{}{}
	for _, item := range items {
		b.items++
		b.bytes += item.Size()
		if item.Return == nil {
			b.events = append(b.events, wire.EventItem{Tag: item.Event.Tag, Data: item.Event.Data, Origin: item.Event.Origin})
			continue
		}
		r := item.Return
		head := r.JID + "\x00" + r.MasterID + "\x00" + string(r.Out) + "\x00" + string(r.Fun)
		minion := head + "\x00" + r.Minions[0].ID
		n, known := at[head]
		if _, twice := seen[minion]; !known || twice || hasLoad(r) {
			at[head] = len(b.returns)
			one := *r
			one.Minions = append([]wire.MinionReturn(nil), r.Minions...)
			b.returns = append(b.returns, one)
		} else {
			b.returns[n].Minions = append(b.returns[n].Minions, r.Minions...)
		}
		seen[minion] = struct{}{}
	}
	return b
}

// hasLoad reports whether a return brings the load of its job along.
func hasLoad(r *wire.SyndicReturn) bool { return wire.Len(r.Load) > 0 }

// load encodes the batch as the request it is sent in.
func (b *batch) load(id string, p wire.Proof) ([]byte, error) {
	if len(b.returns) > 0 {
		if p.TS == 0 {
			p.ID, p.Tok = "", nil // level 2: stock sends only the nonce with returns
		}
		return wire.AppendSyndicReturns(make([]byte, 0, b.bytes+512), b.returns, p), nil
	}
	return wire.MinionEventRequest{ID: id, Pretag: "syndic/" + id, Events: b.events}.AppendLoad(make([]byte, 0, b.bytes+512), p)
}

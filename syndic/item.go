package syndic

import (
	"encoding/binary"
	"errors"

	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/wire"
)

// Worth of items in the outbox: when a queue is full the lowest goes first.
const (
	kindEvent        uint8 = iota
	kindAnnouncement       // which minions a job has: clients upstream wait for it
	kindReturn
)

// maxItemBytes bounds one item: a larger one would not pass the frame limit of a master of masters.
const maxItemBytes = 32 << 20

// Item is one thing to be sent upward: a return or an event. Its content is shared and never changed.
type Item struct {
	Return *wire.SyndicReturn // one minion; nil for an event
	Event  Event              // when Return is nil
	Urgent bool               // clients upstream wait for it: do not linger
}

// Event is an event for the list form of `_minion_event`.
type Event struct {
	Tag    string
	Data   []byte // Wire-mode map
	Origin []byte // Wire-mode wire.Origin, nil without one
	Key    string // for the duplicate check, "" = none
}

// Size is roughly the bytes the item takes on the wire.
func (i *Item) Size() int {
	if i.Return == nil {
		return len(i.Event.Tag) + len(i.Event.Data) + len(i.Event.Origin) + 16
	}
	n := len(i.Return.Load) + len(i.Return.JID) + len(i.Return.Fun) + len(i.Return.Out) + 64
	for _, m := range i.Return.Minions {
		n += len(m.ID) + len(m.Body)
	}
	return n
}

// returnKey names the return of one minion to one job: it goes to each upstream once.
func returnKey(jobID, minion string) string { return jobID + "\x00" + minion }

// stored is the item as the outbox keeps it. A return is the request that would carry it alone, so that one decoder
// reads both; an event is its parts with their lengths.
func (i *Item) stored() outbox.Item {
	if r := i.Return; r != nil {
		key := ""
		if len(r.Minions) == 1 {
			key = returnKey(r.JID, r.Minions[0].ID)
		}
		if len(key) > outbox.MaxKey {
			key = ""
		}
		return outbox.Item{Kind: kindReturn, Key: key, Body: wire.AppendSyndicReturns(nil, []wire.SyndicReturn{*r}, wire.Proof{})}
	}
	kind := kindEvent
	if i.Urgent {
		kind = kindAnnouncement
	}
	e := &i.Event
	body := make([]byte, 0, len(e.Tag)+len(e.Data)+len(e.Origin)+12)
	body = append(binary.AppendUvarint(body, uint64(len(e.Tag))), e.Tag...)
	body = append(binary.AppendUvarint(body, uint64(len(e.Origin))), e.Origin...)
	return outbox.Item{Kind: kind, Key: e.Key, Body: append(body, e.Data...)}
}

var errStoredItem = errors.New("stored item is not readable")

// readItem is the inverse of stored; spans alias the body.
func readItem(kind uint8, body []byte) (Item, error) {
	if kind == kindReturn {
		list, err := wire.ParseSyndicReturns(body)
		if err != nil {
			return Item{}, err
		}
		if len(list) != 1 || len(list[0].Minions) != 1 {
			return Item{}, errStoredItem
		}
		return Item{Return: &list[0], Urgent: true}, nil
	}
	tag, rest, ok := cutPart(body)
	origin, data, ok2 := cutPart(rest)
	if !ok || !ok2 || wire.Check(data, wire.LoadLimits) != nil {
		return Item{}, errStoredItem
	}
	e := Event{Tag: string(tag), Data: data}
	if len(origin) > 0 {
		if wire.Check(origin, wire.LoadLimits) != nil {
			return Item{}, errStoredItem
		}
		e.Origin = origin
	}
	return Item{Event: e, Urgent: kind == kindAnnouncement}, nil
}

// cutPart cuts off a part with its length in front.
func cutPart(b []byte) (part, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	return b[used : used+int(n)], b[used+int(n):], true
}

package master

import (
	"strings"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/wire"
)

// minionEvent takes `_minion_event`, in its single and its list form (spec: master-functions §2.3,
// syndic §6). Tags that only the master itself may fire are dropped in both forms; a syndic's
// prefixed copy passes, because its prefix tells where it comes from.
func (m *Master) minionEvent(r *request) ([]byte, error) {
	load, err := r.loadMap()
	if err != nil {
		return nil, err
	}
	if list, ok := load.Get("events"); ok && list != nil {
		items, _ := list.([]any)
		m.eventList(r, load, items)
		return valueNil, nil
	}
	tag := load.Str("tag")
	if tag == "" {
		return valueNil, nil
	}
	if event.CheckTag(tag) != nil || wire.TagReserved(tag) {
		m.stats.eventsDropped.Add(1)
		m.limited.Warn("Minion event with a reserved tag dropped", "minion", r.id, "tag", printable(tag))
		return valueNil, nil
	}
	if tag == event.TagSyndicStart(r.id) {
		m.noteSyndic(r.id)
	}
	load.Delete("tok")
	load.Delete("nonce")
	m.fire(tag, load)
	if tag == "_salt_error" {
		m.limited.Error("Minion reports an error", "minion", r.id)
	}
	return valueNil, nil
}

// eventList fires the events of one batch. Forwarded lists of minions are stored with their job.
func (m *Master) eventList(r *request, load *wire.Map, items []any) {
	pretag := load.Str("pretag")
	fromSyndic := pretag == "syndic/"+r.id
	if pretag != "" && (event.CheckTag(pretag) != nil || strings.HasPrefix(pretag, "syndic/") && !fromSyndic) {
		m.stats.eventsDropped.Add(int64(len(items)))
		m.limited.Warn("Events under a foreign prefix dropped", "minion", r.id, "tag", printable(pretag))
		return
	}
	if fromSyndic {
		m.noteSyndic(r.id)
	}
	for _, one := range items {
		item, ok := one.(*wire.Map)
		if !ok {
			continue
		}
		tag := item.Str("tag")
		if tag == "" || event.CheckTag(tag) != nil {
			continue
		}
		data := item
		if v, has := item.Get("data"); has {
			if data, ok = v.(*wire.Map); !ok {
				data = wire.NewMap("data", v)
			}
		}
		// The prefixed copy goes first, as current stock does.
		if pretag != "" {
			if joined := pretag + "/" + tag; wire.TagReserved(joined) {
				m.stats.eventsDropped.Add(1) // the sender chooses the prefix, too
			} else {
				m.fire(joined, data.Clone())
			}
		}
		// A bare job id announces the minions below a syndic: stock clients wait for it.
		if wire.TagReserved(tag) && !(fromSyndic && jid.Valid(tag)) {
			m.stats.eventsDropped.Add(1)
		} else {
			m.fire(tag, data)
		}
		if fromSyndic {
			if minions := data.List("minions"); minions != nil {
				id := data.Str("jid")
				if id == "" && jid.Valid(tag) {
					id = tag
				}
				m.noteMinionList(id, r.id, stringList(minions))
			}
		}
	}
}

// fire stamps the data and puts it on the bus. data belongs to the event from here on.
func (m *Master) fire(tag string, data *wire.Map) {
	ev, err := event.NewTrimmed(tag, data, m.now(), m.cfg.Load().MaxEventSize)
	if err != nil {
		m.limited.Error("Event not fired", "tag", printable(tag), "err", err)
		return
	}
	m.stats.events.Add(1)
	m.bus.Fire(ev)
}

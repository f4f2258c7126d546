package master

import (
	"slices"
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
		m.noteSyndicStart(r.id)
	}
	load.Delete("tok")
	load.Delete("nonce")
	m.fire(tag, load)
	m.noteStart(r.id, tag)
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
	taken, repeats := int64(0), int64(0)
	for _, one := range items {
		e, ok := m.listedEvent(one, fromSyndic)
		switch {
		case !ok:
		case e.origin != nil && (m.wasHere(e.origin) || !m.origins.fresh(e.origin.ID, e.origin.N)):
			repeats++
		default:
			taken++
			m.fireListed(&e, pretag, fromSyndic)
			if fromSyndic {
				m.takeMinionList(&e, r.id)
			}
		}
	}
	m.stats.eventsRepeated.Add(repeats)
	if fromSyndic {
		m.syndics.heard(r.id, m.now(), func(s *syndicRecord) { s.events += taken; s.repeats += repeats })
	}
}

// wasHere reports whether an event comes back to a master it was at: the syndic beside it is on its path.
func (m *Master) wasHere(o *wire.Origin) bool {
	id := m.beside.syndic(m.cfg.Load().CacheDir, m.now())
	return id != "" && slices.Contains(o.Path, id)
}

// listedEvent is one event of a batch.
type listedEvent struct {
	tag    string
	data   *wire.Map
	origin *wire.Origin // nil when the sender gives none
}

// listedEvent reads one item. Only a syndic may say where an event comes from; an origin that cannot be read counts as
// none.
func (m *Master) listedEvent(one any, fromSyndic bool) (e listedEvent, ok bool) {
	item, ok := one.(*wire.Map)
	if !ok {
		return e, false
	}
	e.tag = item.Str("tag")
	if e.tag == "" || event.CheckTag(e.tag) != nil {
		return e, false
	}
	if v, has := item.Get(wire.KeyOrigin); has && fromSyndic {
		origin, err := wire.ParseOrigin(v)
		if err == nil {
			e.origin = &origin
		} else {
			m.limited.Warn("Origin of a forwarded event not readable", "tag", printable(e.tag), "err", err)
		}
	}
	e.data = item
	if v, has := item.Get("data"); has {
		if e.data, ok = v.(*wire.Map); !ok {
			e.data = wire.NewMap("data", v)
		}
	}
	return e, true
}

// fireListed fires the two forms of one event of a batch, the prefixed one first, as current stock does. Their data
// tell a syndic above where the event comes from, and which of the two it should leave alone.
func (m *Master) fireListed(e *listedEvent, pretag string, fromSyndic bool) {
	if pretag != "" {
		if joined := pretag + "/" + e.tag; wire.TagReserved(joined) {
			m.stats.eventsDropped.Add(1) // the sender chooses the prefix, too
		} else {
			data := e.data.Clone()
			if e.origin != nil {
				data.Set(wire.KeyEventOrigin, e.origin.Map())
			}
			m.fire(joined, data)
		}
	}
	tag := e.plainTag()
	// A bare job id announces the minions below a syndic: stock clients wait for it.
	if wire.TagReserved(tag) && !(fromSyndic && jid.Valid(tag)) {
		m.stats.eventsDropped.Add(1)
		return
	}
	data := e.data.Clone()
	if e.origin != nil {
		origin := *e.origin
		origin.Copy = true
		data.Set(wire.KeyEventOrigin, origin.Map())
	}
	m.fire(tag, data)
}

// plainTag is the tag that the event had where it began, however many levels below: each level has put its prefix in front
// and forwarded the event in that form only.
func (e *listedEvent) plainTag() string {
	tag := e.tag
	if e.origin == nil {
		return tag
	}
	for i := len(e.origin.Path) - 2; i >= 0; i-- { // the last one on the path has sent it
		inner, ok := strings.CutPrefix(tag, "syndic/"+e.origin.Path[i]+"/")
		if !ok || inner == "" {
			return tag
		}
		tag = inner
	}
	return tag
}

// takeMinionList stores the minions of a job that a syndic announces.
func (m *Master) takeMinionList(e *listedEvent, syndicID string) {
	minions := e.data.List("minions")
	if minions == nil {
		return
	}
	id := e.data.Str("jid")
	if id == "" && jid.Valid(e.tag) {
		id = e.tag
	}
	m.noteMinionList(id, syndicID, stringList(minions))
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

package wire

// MinionEvent is a _minion_event: one event (Tag set) or a list of them. Spans alias the load.
// Spec: master-functions §2.3, syndic §6.
type MinionEvent struct {
	ID        string
	Pretag    string // list form: each event is fired a second time as Pretag + "/" + tag
	HasPretag bool   // false when pretag is absent or nil
	Tag       string // single form
	Data      []byte // single form: raw span of data, any kind; nil when absent
	HasEvents bool   // list form
	Events    []EventItem
	Raw       []byte // the whole load
}

// EventItem is one event of the list form.
type EventItem struct {
	Tag  string
	Data []byte // raw span; nil when the item has no data, then the item itself is the data
	Raw  []byte // the item
	// Origin is the raw span of KeyOrigin, nil when absent; written by AppendLoad when not nil.
	Origin []byte
}

// ParseMinionEvent checks a load against LoadLimits and finds its events. Items that are no maps or have no tag are left out. A load
// of neither form is no error: there is nothing to fire. ErrField is returned for an id, tag or pretag that is no string.
func ParseMinionEvent(load []byte) (MinionEvent, error) {
	if err := Check(load, LoadLimits); err != nil {
		return MinionEvent{}, err
	}
	it, ok := iterate(load)
	if !ok {
		return MinionEvent{}, ErrNotMap
	}
	e := MinionEvent{Raw: load}
	for it.next() {
		var err error
		switch key := string(it.key); key {
		case "id":
			err = readStr(key, it.val, &e.ID)
		case "tag":
			err = readStr(key, it.val, &e.Tag)
		case "pretag":
			e.HasPretag = !IsNil(it.val)
			err = readOptStr(key, it.val, &e.Pretag)
		case "data":
			e.Data = it.val
		case "events":
			if !IsNil(it.val) {
				e.HasEvents = true
				e.Events, err = eventItems(it.val)
			}
		}
		if err != nil {
			return MinionEvent{}, err
		}
	}
	return e, nil
}

func eventItems(list []byte) ([]EventItem, error) {
	out := make([]EventItem, 0, min(Len(list), 1024))
	err := ScanList(list, func(val []byte) error {
		it, _ := iterate(val)
		if !IsMap(val) {
			return nil
		}
		e := EventItem{Raw: val}
		for it.next() {
			switch string(it.key) {
			case "tag":
				e.Tag = string(rawText(it.val))
			case "data":
				e.Data = it.val
			case KeyOrigin:
				e.Origin = it.val
			}
		}
		if e.Tag != "" {
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// AppendEventData appends the data fired for the single form: the whole load in Local mode without tok and nonce, _stamp set.
func (e *MinionEvent) AppendEventData(dst []byte, stamp string) []byte {
	return appendEvent(dst, e.Raw, stamp, dropSecrets)
}

// AppendEventData appends the data fired for the item, in Local mode with _stamp set. ok is false when its data are no map:
// nothing can be fired then.
func (i *EventItem) AppendEventData(dst []byte, stamp string) (out []byte, ok bool) {
	raw := i.Data
	if raw == nil {
		raw = i.Raw
	}
	if !IsMap(raw) {
		return dst, false
	}
	return appendEvent(dst, raw, stamp, dropNothing), true
}

// Minions returns the list of targeted minions an item announces for a job: its data have both minions and jid. ok is false
// otherwise. Spec: master-functions §2.3.
func (i *EventItem) Minions() (jid string, minions []string, ok bool) {
	if !IsMap(i.Data) {
		return "", nil, false
	}
	rawJID, hasJID := Field(i.Data, "jid")
	list, hasList := Field(i.Data, "minions")
	jid, isStr := Str(rawJID)
	if !hasJID || !hasList || !isStr || !IsList(list) {
		return "", nil, false
	}
	minions = make([]string, 0, min(Len(list), 1024))
	err := ScanList(list, func(val []byte) error {
		if s, ok := Str(val); ok {
			minions = append(minions, s)
		}
		return nil
	})
	return jid, minions, err == nil
}

// MinionEventRequest is a _minion_event as a minion or syndic sends it.
type MinionEventRequest struct {
	ID     string
	Pretag string // "" is written as nil
	Tag    string // single form; ignored when Events is not nil
	Data   any    // single form
	Events []EventItem
}

// AppendLoad appends the load in stock's order; p.ID is not used. Of an item Tag and Data are written.
func (r MinionEventRequest) AppendLoad(dst []byte, p Proof) ([]byte, error) {
	w := beginMap(dst, Wire)
	w.str("id", r.ID)
	w.str("cmd", CmdMinionEvent)
	if r.Pretag == "" {
		w.null("pretag")
	} else {
		w.str("pretag", r.Pretag)
	}
	w.bytesIf("tok", p.Tok)
	if r.Events != nil {
		w.key("events")
		w.dst = AppendListHeader(w.dst, len(r.Events))
		for _, e := range r.Events {
			item := beginMap(w.dst, Wire)
			item.raw("data", e.Data)
			item.str("tag", e.Tag)
			item.rawIf(KeyOrigin, e.Origin)
			w.dst = item.end()
		}
	} else {
		w.key("data")
		var err error
		if w.dst, err = Append(w.dst, r.Data, Wire); err != nil {
			return dst, err
		}
		w.str("tag", r.Tag)
	}
	w.proof(Proof{Nonce: p.Nonce, TS: p.TS})
	return w.end(), nil
}

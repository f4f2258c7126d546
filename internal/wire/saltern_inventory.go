package wire

// CmdSalternInventory tells a saltern master which minions stand behind a syndic. Other masters answer it with an empty
// map, as every command they do not know.
const CmdSalternInventory = "_saltern_inventory"

// InventoryRequest is a syndic's list of minions, or what has changed in it, over an encrypted request of level 2 or 3.
//
//	full     add is the whole list; what the master knew is forgotten; seq is where counting goes on from
//	change   seq is one more than in the request before; del is applied before add
//	repeat   the same seq once more is acknowledged and changes nothing: a heartbeat
type InventoryRequest struct {
	ID   string // the syndic's id
	Full bool
	Seq  uint64
	Add  []string
	Del  []string
	// Below names the syndics further down whose minions are in the list, with true as value when their own
	// inventories are current. nil in a change leaves them as they were.
	Below *Map
}

// ParseInventoryRequest checks a load against LoadLimits and reads it. Elements of add and del that are no strings are
// ErrField; missing lists are empty.
func ParseInventoryRequest(load []byte) (InventoryRequest, error) {
	var r InventoryRequest
	err := readMap(load, func(key string, val []byte) error {
		switch key {
		case "id":
			return readStr(key, val, &r.ID)
		case "full":
			return readBool(key, val, &r.Full)
		case "seq":
			return readCount(key, val, &r.Seq)
		case "add":
			return readStrs(key, val, &r.Add)
		case "del":
			return readStrs(key, val, &r.Del)
		case "below":
			if IsNil(val) {
				return nil
			}
			if !IsMap(val) {
				return errKind(key, "a map")
			}
			r.Below, _ = decodeChecked(val, Wire).(*Map)
		}
		return nil
	})
	return r, err
}

// AppendLoad appends the load; p.ID is not used. Errors are those of Append, for Below.
func (r InventoryRequest) AppendLoad(dst []byte, p Proof) ([]byte, error) {
	w := beginMap(dst, Wire)
	w.str("cmd", CmdSalternInventory)
	w.str("id", r.ID)
	w.key("full")
	w.dst = AppendBool(w.dst, r.Full)
	w.key("seq")
	w.dst = AppendUint(w.dst, r.Seq)
	w.key("add")
	w.dst = AppendStrList(w.dst, r.Add, Wire)
	w.key("del")
	w.dst = AppendStrList(w.dst, r.Del, Wire)
	if r.Below != nil {
		w.key("below")
		var err error
		if w.dst, err = Append(w.dst, r.Below, Wire); err != nil {
			return dst, err
		}
	}
	w.proof(Proof{Nonce: p.Nonce, TS: p.TS, Tok: p.Tok})
	return w.end(), nil
}

// InventoryReply acknowledges a list.
type InventoryReply struct {
	Seq      uint64 // what the master has
	WantFull bool   // it has not enough to apply the change: send the whole list
}

// Append appends the reply value.
func (r InventoryReply) Append(dst []byte) []byte {
	w := beginMap(dst, Wire)
	w.key("seq")
	w.dst = AppendUint(w.dst, r.Seq)
	w.key("want_full")
	w.dst = AppendBool(w.dst, r.WantFull)
	return w.end()
}

// ParseInventoryReply checks the value of a reply and reads it. ErrNotServed for an empty map.
func ParseInventoryReply(value []byte) (InventoryReply, error) {
	var r InventoryReply
	seen := 0
	err := readMap(value, func(key string, val []byte) error {
		seen++
		switch key {
		case "seq":
			return readCount(key, val, &r.Seq)
		case "want_full":
			return readBool(key, val, &r.WantFull)
		}
		return nil
	})
	if err == nil && seen == 0 {
		err = ErrNotServed
	}
	return r, err
}

// readStrs stores a list of strings; nil counts as empty.
func readStrs(name string, raw []byte, into *[]string) error {
	if IsNil(raw) {
		return nil
	}
	if !IsList(raw) {
		return errKind(name, "a list")
	}
	out := make([]string, 0, min(Len(raw), 1<<16))
	err := ScanList(raw, func(val []byte) error {
		s, ok := Str(val)
		if !ok {
			return errKind(name, "a list of strings")
		}
		out = append(out, s)
		return nil
	})
	*into = out
	return err
}

package wire

import (
	"errors"
	"fmt"
	"math"
)

// CmdSalternPubs asks a saltern master for publications that a syndic missed. Other masters answer it with an empty
// map, as every command they do not know.
const CmdSalternPubs = "_saltern_pubs"

// TopicRepeats is a topic that nobody publishes. A saltern syndic that knows what it had, also from its former life, subscribes
// to it beside the others: a publisher may send again what it may have missed. Other publishers pass over it.
const TopicRepeats = "saltern/repeats"

// EpochLen is the length of the name of an epoch, one life of a master's shared key, in hexadecimal characters.
const EpochLen = 32

// ErrNotServed is returned for the empty map with which a master answers a command that it does not know or does not
// serve to this id.
var ErrNotServed = errors.New("the master does not serve this command to us")

// PubsRequest asks for the publications after a position, over an encrypted request of level 2 or 3.
type PubsRequest struct {
	ID    string // the syndic's id
	Epoch string // of the last publication seen, "" for none
	After uint64 // serial of the last publication seen under Epoch
	Max   int    // most publications wanted; 0 lets the master choose
	// Frames asks for the sealed frame of each publication under the key in use; other masters leave them out.
	Frames bool
}

// ParsePubsRequest checks a load against LoadLimits and reads it. A missing epoch, after or max counts as zero.
// Errors: ErrField, ErrNotMap, those of Check.
func ParsePubsRequest(load []byte) (PubsRequest, error) {
	var r PubsRequest
	err := readMap(load, func(key string, val []byte) error {
		switch key {
		case "id":
			return readStr(key, val, &r.ID)
		case "epoch":
			if err := readOptStr(key, val, &r.Epoch); err != nil {
				return err
			}
			if len(r.Epoch) > EpochLen {
				return errLong(key, EpochLen)
			}
		case "after":
			return readCount(key, val, &r.After)
		case "max":
			var n uint64
			if err := readCount(key, val, &n); err != nil {
				return err
			}
			r.Max = int(min(n, math.MaxInt32))
		case "frames":
			return readBool(key, val, &r.Frames)
		}
		return nil
	})
	return r, err
}

// AppendLoad appends the load; p.ID is not used.
func (r PubsRequest) AppendLoad(dst []byte, p Proof) []byte {
	w := beginMap(dst, Wire)
	w.str("cmd", CmdSalternPubs)
	w.str("id", r.ID)
	w.str("epoch", r.Epoch)
	w.key("after")
	w.dst = AppendUint(w.dst, r.After)
	w.int("max", int64(r.Max))
	w.trueIf("frames", r.Frames)
	w.proof(Proof{Nonce: p.Nonce, TS: p.TS, Tok: p.Tok})
	return w.end()
}

// KeptPub is one publication of a master's journal.
type KeptPub struct {
	Epoch  string
	Serial uint64
	T      int64  // Unix milliseconds of its sending
	Load   []byte // raw span of the clear load, as minions got it: serial, auth_list, master_id, to … included
	Frame  []byte // the frame that was published, only when asked for and under the key in use; nil = not told
}

// PubsReply is the answer to PubsRequest.
type PubsReply struct {
	Epoch string // in use now
	Next  uint64 // serial of the next publication under Epoch; what stands below it and not in Pubs never existed
	Pubs  []KeptPub
	// Trimmed: publications after the position asked for are no longer kept, or never were under an epoch that is long
	// over.
	Trimmed bool
	More    bool  // ask again after the last of Pubs
	Now     int64 // the master's clock, Unix milliseconds, to which the T of Pubs belong; 0 = not told
}

// Append appends the reply value.
func (r PubsReply) Append(dst []byte) []byte {
	w := beginMap(dst, Wire)
	w.str("epoch", r.Epoch)
	w.key("next")
	w.dst = AppendUint(w.dst, r.Next)
	w.key("pubs")
	w.dst = AppendListHeader(w.dst, len(r.Pubs))
	for _, p := range r.Pubs {
		in := beginMap(w.dst, Wire)
		in.str("epoch", p.Epoch)
		in.key("serial")
		in.dst = AppendUint(in.dst, p.Serial)
		in.int("t", p.T)
		in.raw("load", p.Load)
		in.bytesIf("frame", p.Frame)
		w.dst = in.end()
	}
	w.key("trimmed")
	w.dst = AppendBool(w.dst, r.Trimmed)
	w.key("more")
	w.dst = AppendBool(w.dst, r.More)
	w.int("now", r.Now)
	return w.end()
}

// ParsePubsReply checks the value of a reply against LoadLimits and reads it; spans alias value. ErrNotServed for an
// empty map, ErrField for a shape that no master sends.
func ParsePubsReply(value []byte) (PubsReply, error) {
	var r PubsReply
	seen := 0
	err := readMap(value, func(key string, val []byte) error {
		seen++
		switch key {
		case "epoch":
			return readStr(key, val, &r.Epoch)
		case "next":
			return readCount(key, val, &r.Next)
		case "pubs":
			return ScanList(val, func(one []byte) error {
				p, err := parseKeptPub(one)
				r.Pubs = append(r.Pubs, p)
				return err
			})
		case "trimmed":
			return readBool(key, val, &r.Trimmed)
		case "more":
			return readBool(key, val, &r.More)
		case "now":
			var ok bool
			if r.Now, ok = Int(val); !ok {
				return errKind(key, "a number")
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return PubsReply{}, err
	case seen == 0:
		return PubsReply{}, ErrNotServed
	case r.Epoch == "" || r.Next == 0:
		return PubsReply{}, errMissing("epoch or next")
	}
	return r, nil
}

func parseKeptPub(raw []byte) (KeptPub, error) {
	var p KeptPub
	it, ok := iterate(raw)
	if !ok {
		return p, ErrNotMap
	}
	for it.next() {
		var err error
		switch key := string(it.key); key {
		case "epoch":
			err = readStr(key, it.val, &p.Epoch)
		case "serial":
			err = readCount(key, it.val, &p.Serial)
		case "t":
			if p.T, ok = Int(it.val); !ok {
				err = errKind(key, "a number")
			}
		case "load":
			p.Load = it.val
		case "frame":
			err = readBytes(key, it.val, &p.Frame)
		}
		if err != nil {
			return p, err
		}
	}
	if p.Epoch == "" || p.Serial == 0 || !IsMap(p.Load) {
		return p, errMissing("epoch, serial or load")
	}
	return p, nil
}

// readMap checks raw and calls fn for each pair with a text key; its error says which field was bad.
func readMap(raw []byte, fn func(key string, val []byte) error) error {
	if err := Check(raw, LoadLimits); err != nil {
		return err
	}
	return ScanMap(raw, func(key, val []byte) error {
		if err := fn(string(key), val); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		return nil
	})
}

// readCount stores a field that counts something: an integer from 0 up.
func readCount(name string, raw []byte, into *uint64) error {
	n, ok := Int(raw)
	if !ok || n < 0 {
		return errKind(name, "a count")
	}
	*into = uint64(n)
	return nil
}

func readBool(name string, raw []byte, into *bool) error {
	v, ok := Bool(raw)
	if !ok {
		return errKind(name, "a boolean")
	}
	*into = v
	return nil
}

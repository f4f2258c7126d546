package relay

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Entry is one publication on its way (spec: relay-and-broker §3.3), or a number of them that a tap knows to have missed.
type Entry struct {
	ID     string    // in the stream, "" before it was there
	MoM    string    // name of the master of masters
	Tap    string    // who wrote it: a name and a random part that is made with the tap's disk
	Seq    uint64    // the tap's own counter, without holes
	Time   time.Time // of its receipt, milliseconds
	Epoch  string    // name of the key it is sealed with, "" = the tap cannot tell
	Serial uint64    // 0 = the tap cannot tell
	Topic  []byte    // first frame when there are two, else empty
	Frame  []byte    // the sealed publication

	// What the tap missed, instead of Frame: serials from and to with an Epoch; without one the Unix milliseconds between
	// which it did not hear the master, so that nobody knows how many, if any.
	GapFrom, GapTo uint64

	placed uint64 // a follower found it to be later than all that went out, of which the number was one less
}

// Limits of the fields.
const (
	maxName  = 256
	maxTopic = 1024
	maxFrame = 256 << 20
)

// ErrEntry reports fields that no tap writes.
var ErrEntry = errors.New("malformed entry of a stream")

// values are the fields as XADD takes them.
func (e *Entry) values() []any {
	v := []any{
		"mom", e.MoM, "epoch", e.Epoch, "serial", strconv.FormatUint(e.Serial, 10), "seq", strconv.FormatUint(e.Seq, 10),
		"t", strconv.FormatInt(e.Time.UnixMilli(), 10), "topic", e.Topic, "frame", e.Frame, "tap", e.Tap,
	}
	if e.GapTo > 0 {
		v = append(v, "gap_from", strconv.FormatUint(e.GapFrom, 10), "gap_to", strconv.FormatUint(e.GapTo, 10))
	}
	return v
}

// parseEntry reads what XREAD gave. Unknown fields are passed over.
func parseEntry(id string, fields map[string]any) (Entry, error) {
	e := Entry{ID: id}
	text := func(name string, most int) string {
		s, _ := fields[name].(string) // "" is checked below where it matters
		if len(s) > most {
			return ""
		}
		return s
	}
	number := func(name string) (n uint64, ok bool) {
		s := text(name, 20)
		if s == "" {
			return 0, true
		}
		n, err := strconv.ParseUint(s, 10, 63)
		return n, err == nil
	}
	var ok [5]bool
	var ms uint64
	e.MoM, e.Tap, e.Epoch = text("mom", maxName), text("tap", maxName), text("epoch", maxName)
	e.Topic, e.Frame = []byte(text("topic", maxTopic)), []byte(text("frame", maxFrame))
	e.Serial, ok[0] = number("serial")
	e.Seq, ok[1] = number("seq")
	ms, ok[2] = number("t")
	e.GapFrom, ok[3] = number("gap_from")
	e.GapTo, ok[4] = number("gap_to")
	e.Time = time.UnixMilli(int64(ms))
	gap := e.GapTo > 0
	if ok != [5]bool{true, true, true, true, true} || e.Tap == "" || e.Seq == 0 || len(e.Frame) == 0 && !gap || gap && e.GapFrom > e.GapTo {
		return Entry{}, fmt.Errorf("%w: %.64q", ErrEntry, id)
	}
	return e, nil
}

// messages are the frames for a subscriber.
func (e *Entry) messages() [][]byte {
	if len(e.Topic) == 0 {
		return [][]byte{e.Frame}
	}
	return [][]byte{e.Topic, e.Frame}
}

// frameKey names a sealed publication: each is sealed with bytes of chance, so that two are never the same.
func frameKey(frame []byte) string {
	sum := sha256.Sum256(frame)
	return hex.EncodeToString(sum[:16])
}

// serialKey names a publication whose frame two taps made differently; "" when the serial is not known.
func (e *Entry) serialKey() string {
	if e.Epoch == "" || e.Serial == 0 {
		return ""
	}
	return e.MoM + "\x00" + e.Epoch + ":" + strconv.FormatUint(e.Serial, 10)
}

// appendBuffered is the form in a tap's buffer: version, time, topic, frame. Tap, name and number are the buffer's own.
func appendBuffered(dst []byte, at time.Time, topic, frame []byte) []byte {
	dst = append(dst, 1)
	dst = binary.BigEndian.AppendUint64(dst, uint64(at.UnixMilli()))
	dst = binary.AppendUvarint(dst, uint64(len(topic)))
	return append(append(dst, topic...), frame...)
}

// appendDeaf is the form of the time in which a tap did not hear its master.
func appendDeaf(dst []byte, from, to time.Time) []byte {
	dst = append(dst, 2)
	dst = binary.BigEndian.AppendUint64(dst, uint64(from.UnixMilli()))
	return binary.BigEndian.AppendUint64(dst, uint64(to.UnixMilli()))
}

// appendOpened is the form of an entry whose place is known, and of a gap in the serials.
func appendOpened(dst []byte, e *Entry) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, 3), uint64(e.Time.UnixMilli()))
	for _, n := range []uint64{e.Serial, e.GapFrom, e.GapTo, uint64(len(e.Epoch)), uint64(len(e.Topic))} {
		dst = binary.AppendUvarint(dst, n)
	}
	dst = append(append(dst, e.Epoch...), e.Topic...)
	return append(dst, e.Frame...)
}

func decodeOpened(b []byte) (e Entry, err error) {
	bad := fmt.Errorf("%w: buffer", ErrEntry)
	if len(b) < 8 {
		return e, bad
	}
	e.Time = time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
	b = b[8:]
	var epoch, topic uint64
	for _, into := range []*uint64{&e.Serial, &e.GapFrom, &e.GapTo, &epoch, &topic} {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return e, bad
		}
		*into, b = n, b[size:]
	}
	if epoch == 0 || epoch > maxName || topic > maxTopic || epoch+topic > uint64(len(b)) {
		return e, bad
	}
	e.Epoch, e.Topic, e.Frame = string(b[:epoch]), b[epoch:epoch+topic], b[epoch+topic:]
	if gap := e.GapTo > 0; gap != (len(e.Frame) == 0) || gap == (e.Serial > 0) || e.GapFrom > e.GapTo {
		return e, bad
	}
	return e, nil
}

// decodeBuffered reads all of them; the result aliases b.
func decodeBuffered(b []byte) (e Entry, err error) {
	if len(b) > 0 && b[0] == 3 {
		return decodeOpened(b[1:])
	}
	if len(b) == 17 && b[0] == 2 {
		e.GapFrom, e.GapTo = binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:])
		e.Time = time.UnixMilli(int64(e.GapTo))
		return e, nil
	}
	if len(b) < 10 || b[0] != 1 {
		return Entry{}, fmt.Errorf("%w: buffer", ErrEntry)
	}
	e.Time = time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:])))
	n, size := binary.Uvarint(b[9:])
	if size <= 0 || n > maxTopic || uint64(len(b)-9-size) <= n {
		return Entry{}, fmt.Errorf("%w: buffer", ErrEntry)
	}
	rest := b[9+size:]
	e.Topic, e.Frame = rest[:n], rest[n:]
	return e, nil
}

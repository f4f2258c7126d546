package syndic

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/saltern-io/saltern/internal/outbox"
	"github.com/saltern-io/saltern/internal/wire"
)

// newIntake is an intake over a fresh outbox with a queue for each of n upstreams.
func newIntake(t testing.TB, n int) *intake {
	t.Helper()
	st, err := outbox.Open(t.TempDir(), outbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	in := &intake{store: st, warn: slog.New(slog.NewTextHandler(t.Output(), nil)).Warn}
	for i := range n {
		q, err := st.Queue(fmt.Sprint("up", i))
		if err != nil {
			t.Fatal(err)
		}
		in.boxes, in.names = append(in.boxes, newBox(q)), append(in.names, q.Name())
	}
	return in
}

func takeBatch(t testing.TB, b *box) batch {
	t.Helper()
	got, err := b.take(maxBatchItems)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// acknowledge removes what was taken.
func acknowledge(t testing.TB, b *box) {
	t.Helper()
	if err := b.ack(); err != nil {
		t.Fatal(err)
	}
}

// put stores items for the first upstream.
func (in *intake) putOne(t testing.TB, items ...Item) {
	t.Helper()
	for _, i := range items {
		in.put(Routed{Item: i, To: 1})
	}
	if err := in.store.Sync(); err != nil {
		t.Fatal(err)
	}
}

func eventItem(tag string, urgent bool) Item {
	return Item{Event: Event{Tag: tag, Data: []byte{0x80}}, Urgent: urgent}
}

func returnItem(jid, minion string, load []byte) Item {
	return Item{Urgent: true, Return: &wire.SyndicReturn{
		ID: "syn1", JID: jid, Fun: []byte("\xa1f"), Load: load, Minions: []wire.MinionReturn{{ID: minion, Body: []byte{0x80}}},
	}}
}

func TestItem_storedAndRead(t *testing.T) {
	load := []byte{0x81, 0xa1, 'a', 0x01}
	for _, item := range []Item{
		eventItem("my/tag", false),
		{Event: Event{Tag: "1", Data: []byte{0x80}, Origin: []byte{0x81, 0xa1, 'n', 0x01}}, Urgent: true},
		returnItem("1", "a", load),
	} {
		s := item.stored()
		got, err := readItem(s.Kind, s.Body)
		if err != nil || got.Event.Tag != item.Event.Tag || !bytes.Equal(got.Event.Origin, item.Event.Origin) || got.Urgent != item.Urgent {
			t.Errorf("%+v, %v", got, err)
		}
		if r := item.Return; r != nil && (got.Return.JID != r.JID || !bytes.Equal(got.Return.Load, load) || s.Key != "1\x00a") {
			t.Errorf("%+v, key %q", got.Return, s.Key)
		}
		for n := range s.Body { // no prefix is taken for a whole item, and none breaks
			if cut, err := readItem(s.Kind, s.Body[:n]); err == nil && item.Return != nil {
				t.Errorf("%d bytes: %+v", n, cut)
			}
		}
	}
}

func FuzzReadItem(f *testing.F) {
	for _, item := range []Item{eventItem("my/tag", false), returnItem("1", "a", nil)} {
		s := item.stored()
		f.Add(s.Kind, s.Body)
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		item, err := readItem(kind, body)
		if err != nil {
			return
		}
		again := item.stored()
		if _, err := readItem(again.Kind, again.Body); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBox_mergesReturnsOfOneJob(t *testing.T) {
	in := newIntake(t, 1)
	load := []byte{0x81, 0xa1, 'a', 0x01}
	in.putOne(t, returnItem("1", "a", nil), returnItem("2", "a", nil), returnItem("1", "b", nil), returnItem("3", "a", load),
		returnItem("3", "b", nil), returnItem("1", "a", nil))
	b := takeBatch(t, in.boxes[0])
	var got []string
	for _, r := range b.returns {
		s := r.JID
		for _, m := range r.Minions {
			s += " " + m.ID
		}
		got = append(got, s)
	}
	// The return that was there before is not stored again.
	if want := []string{"1 a b", "2 a", "3 a b"}; !slices.Equal(got, want) || b.items != 5 {
		t.Errorf("%q, want %q", got, want)
	}
	if !bytes.Equal(b.returns[2].Load, load) || hasLoad(&b.returns[0]) {
		t.Error("loads are wrong")
	}
}

func TestBox_noReturnOvertakesAnAnnouncement(t *testing.T) {
	in := newIntake(t, 1)
	box := in.boxes[0]
	in.putOne(t,
		returnItem("1", "a", nil),
		eventItem("plain", false),
		returnItem("1", "b", nil), // may go before the plain event
		eventItem("announcement", true),
		returnItem("2", "a", nil))
	for i, want := range []int{2, 2, 1} {
		b := takeBatch(t, box)
		if b.items != want || (i == 1) != (len(b.events) == 2) {
			t.Fatalf("batch %d: %+v", i, b)
		}
		acknowledge(t, box)
	}
	takeBatch(t, box)
	if box.state() != waitingNone || !box.idle() {
		t.Error("something is left")
	}
}

func TestBox_states(t *testing.T) {
	in := newIntake(t, 1)
	box := in.boxes[0]
	expect := func(want waiting) {
		t.Helper()
		if got := box.state(); got != want {
			t.Errorf("state %d, want %d", got, want)
		}
	}
	expect(waitingFull) // of the life before, perhaps
	takeBatch(t, box)
	expect(waitingNone)
	in.putOne(t, eventItem("a", false))
	expect(waitingEvents)
	in.putOne(t, eventItem("b", true))
	expect(waitingUrgent)
	if b := takeBatch(t, box); b.items != 2 {
		t.Errorf("%+v", b)
	}
	expect(waitingFull) // what was taken waits for its acknowledgement
	acknowledge(t, box)
	takeBatch(t, box)
	expect(waitingNone)
	for range maxBatchItems {
		in.put(Routed{Item: eventItem("c", false), To: 1})
	}
	in.putOne(t)
	expect(waitingFull)
}

// TestBox_survives: what was not acknowledged is there again, in its order; what was is not.
func TestBox_survives(t *testing.T) {
	dir := t.TempDir()
	open := func() *intake {
		st, err := outbox.Open(dir, outbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		q, err := st.Queue("a")
		if err != nil {
			t.Fatal(err)
		}
		return &intake{store: st, boxes: []*box{newBox(q)}, names: []string{"a"}, warn: func(string, ...any) {}}
	}
	in := open()
	for i := range 10 {
		in.putOne(t, returnItem("1", fmt.Sprint("m", i), nil))
	}
	if b, err := in.boxes[0].take(4); err != nil || b.items != 4 {
		t.Fatalf("%+v, %v", b, err)
	}
	acknowledge(t, in.boxes[0])
	if err := in.store.Close(); err != nil {
		t.Fatal(err)
	}
	in = open()
	defer in.store.Close()
	in.putOne(t, returnItem("1", "m0", nil), returnItem("1", "m9", nil)) // the local bus says them again
	b := takeBatch(t, in.boxes[0])
	if b.items != 6 || b.returns[0].Minions[0].ID != "m4" || b.returns[0].Minions[5].ID != "m9" {
		t.Errorf("%+v", b)
	}
	st, err := in.boxes[0].q.Stats()
	if err != nil || st.Received != 12 || st.Duplicates != 2 || st.Acknowledged != 4 || in.boxes[0].q.Audit() != nil {
		t.Errorf("%+v, %v", st, err)
	}
}

func BenchmarkIntake(b *testing.B) {
	in := newIntake(b, 1)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		in.put(Routed{Item: returnItem("20261120141909944303", fmt.Sprint("minion", n), nil), To: 1})
	}
}

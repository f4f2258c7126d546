package syndic

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saltern-io/saltern/internal/wire"
)

func eventItem(tag string, urgent bool) Item {
	return Item{Event: Event{Tag: tag, Data: []byte{0x80}}, Urgent: urgent}
}

func returnItem(jid, minion string, load []byte) Item {
	return Item{Urgent: true, Return: &wire.SyndicReturn{
		ID: "syn1", JID: jid, Fun: []byte("\xa1f"), Load: load, Minions: []wire.MinionReturn{{ID: minion, Body: []byte{0x80}}},
	}}
}

func TestOutbox_mergesReturnsOfOneJob(t *testing.T) {
	box := newOutbox()
	load := []byte{0x81, 0xa1, 'a', 0x01}
	for _, i := range []Item{
		returnItem("1", "a", nil), returnItem("2", "a", nil), returnItem("1", "b", nil), returnItem("3", "a", load),
		returnItem("3", "b", nil), returnItem("1", "a", nil),
	} {
		box.put(i)
	}
	b := box.take(maxBatchItems)
	var got []string
	for _, r := range b.returns {
		s := r.JID
		for _, m := range r.Minions {
			s += " " + m.ID
		}
		got = append(got, s)
	}
	if want := []string{"1 a b", "2 a", "3 a b", "1 a"}; !slices.Equal(got, want) || b.items != 6 {
		t.Errorf("%q, want %q", got, want)
	}
	if !bytes.Equal(b.returns[2].Load, load) || b.returns[0].Load != nil {
		t.Error("loads are wrong")
	}
}

func TestOutbox_noReturnOvertakesAnAnnouncement(t *testing.T) {
	box := newOutbox()
	box.put(returnItem("1", "a", nil))
	box.put(eventItem("plain", false))
	box.put(returnItem("1", "b", nil)) // may go before the plain event
	box.put(eventItem("announcement", true))
	box.put(returnItem("2", "a", nil))
	for i, want := range []int{2, 2, 1} {
		b := box.take(maxBatchItems)
		if b.items != want || (i == 1) != (len(b.events) == 2) {
			t.Fatalf("batch %d: %+v", i, b)
		}
		box.ack(b.items)
	}
	if box.state() != waitingNone {
		t.Error("something is left")
	}
}

func TestOutbox_states(t *testing.T) {
	box := newOutbox()
	expect := func(want waiting) {
		t.Helper()
		if got := box.state(); got != want {
			t.Errorf("state %d, want %d", got, want)
		}
	}
	expect(waitingNone)
	box.put(eventItem("a", false))
	expect(waitingEvents)
	box.put(eventItem("b", true))
	expect(waitingUrgent)
	b := box.take(maxBatchItems)
	expect(waitingFull) // what was taken waits for its acknowledgement
	box.ack(b.items)
	expect(waitingNone)
	for range maxBatchItems {
		box.put(eventItem("c", false))
	}
	expect(waitingFull)
	box.ack(box.take(maxBatchItems).items)
	box.put(Item{Event: Event{Tag: "big", Data: make([]byte, maxBatchBytes)}})
	expect(waitingFull)
	if items, size, _, _ := box.depth(); items != 1 || size < maxBatchBytes {
		t.Errorf("%d items, %d bytes", items, size)
	}
}

func TestOutbox_dropsOldestEventsThenReturns(t *testing.T) {
	box := newOutbox()
	box.put(returnItem("old", "a", nil))
	box.put(eventItem("first", true))
	flying := box.take(maxBatchItems)
	if len(flying.returns) != 1 {
		t.Fatalf("%+v", flying)
	}
	for i := range maxQueueItems - 2 {
		if n := box.put(returnItem(fmt.Sprint(i), "a", nil)); n != 0 {
			t.Fatalf("%d dropped", n)
		}
	}
	for i, want := range [][2]uint64{{1, 0}, {1, 1}, {1, 2}} {
		if n := box.put(returnItem(fmt.Sprint("more", i), "a", nil)); n != 1 {
			t.Fatalf("%d dropped", n)
		}
		if _, _, e, r := box.depth(); e != want[0] || r != want[1] {
			t.Errorf("%d events, %d returns dropped, want %d", e, r, want)
		}
	}
	// What is in flight is never dropped; a giant is refused and pushes nothing out.
	if b := box.take(maxBatchItems); len(b.returns) != 1 || b.returns[0].JID != "old" {
		t.Errorf("%+v", b)
	}
	if n := box.put(Item{Event: Event{Data: make([]byte, maxItemBytes)}}); n != 1 {
		t.Errorf("%d dropped", n)
	}
	box.ack(1)
	if b := box.take(1); b.returns[0].JID != "2" {
		t.Errorf("next is %s", b.returns[0].JID)
	}
	if items, _, e, r := box.depth(); items != maxQueueItems-1 || e != 2 || r != 2 {
		t.Errorf("%d items, %d events, %d returns", items, e, r)
	}
}

func TestOutbox_bytesAreBounded(t *testing.T) {
	box := newOutbox()
	data := make([]byte, 1<<20)
	dropped := 0
	for range 200 {
		dropped += box.put(Item{Event: Event{Tag: "x", Data: data}})
	}
	items, size, events, _ := box.depth()
	if size > maxQueueBytes || items+dropped != 200 || int(events) != dropped || items < 60 {
		t.Errorf("%d items, %d bytes, %d dropped, %d counted", items, size, dropped, events)
	}
	if b := box.take(maxBatchItems); b.items != 1 {
		t.Errorf("%d items beyond the batch limit", b.items)
	}
}

// TestOutbox_property: whatever happens, each kind keeps its order, nothing that fits is lost or
// doubled, and the counts are right.
func TestOutbox_property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		box := newOutbox()
		var put, acked [2][]string // events and returns
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					n++
					name := fmt.Sprint(n)
					if rapid.Bool().Draw(t, "return") {
						box.put(returnItem(fmt.Sprint(n%5), name, nil))
						put[1] = append(put[1], name)
					} else {
						box.put(eventItem(name, rapid.Bool().Draw(t, "urgent")))
						put[0] = append(put[0], name)
					}
				}
			},
			"take": func(t *rapid.T) {
				b := box.take(rapid.IntRange(1, 30).Draw(t, "limit"))
				again := box.take(b.items)
				if b.items != again.items || len(b.events) != len(again.events) || len(b.returns) != len(again.returns) {
					t.Fatalf("%+v, then %+v", b, again)
				}
				if len(b.events) > 0 && len(b.returns) > 0 {
					t.Fatal("both kinds in one batch")
				}
				if rapid.Bool().Draw(t, "fails") {
					return
				}
				for _, e := range b.events {
					acked[0] = append(acked[0], e.Tag)
				}
				var minions []string
				for _, r := range b.returns {
					for _, m := range r.Minions {
						minions = append(minions, m.ID)
					}
				}
				slices.SortFunc(minions, func(a, b string) int { return len(a)*100 - len(b)*100 + bytes.Compare([]byte(a), []byte(b)) })
				acked[1] = append(acked[1], minions...) // merging changes the order inside a batch only
				box.ack(b.items)
			},
			"": func(t *rapid.T) {
				for kind := range put {
					if !slices.Equal(put[kind][:len(acked[kind])], acked[kind]) {
						t.Fatalf("kind %d: acknowledged %q of %q", kind, acked[kind], put[kind])
					}
				}
				items, _, _, _ := box.depth()
				if want := len(put[0]) + len(put[1]) - len(acked[0]) - len(acked[1]); items != want {
					t.Fatalf("%d items, want %d", items, want)
				}
			},
		})
	})
}

func BenchmarkOutbox(b *testing.B) {
	box := newOutbox()
	item := returnItem("20261120141909944303", "minion", nil)
	b.ReportAllocs()
	for b.Loop() {
		box.put(item)
		if box.state() == waitingFull {
			box.ack(box.take(maxBatchItems).items)
		}
	}
}

package broker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saltern-io/saltern/internal/wire"
)

func TestTopics(t *testing.T) {
	top := newTopics(2)
	var told []string
	send := func(topic []byte, on bool) { told = append(told, fmt.Sprintf("%s %v", topic, on)) }
	top.add([]byte("a"))
	top.attach(send)
	if !top.add([]byte("a")) || !top.add([]byte("b")) {
		t.Error("refused below the bound")
	}
	if top.add([]byte("c")) {
		t.Error("accepted above the bound")
	}
	top.remove([]byte("c"))
	top.remove([]byte("a"))
	top.remove([]byte("a"))
	if !top.add([]byte("c")) {
		t.Error("no room after a topic went")
	}
	want := []string{"a true", "b true", "a false", "c true"}
	if d := cmp.Diff(want, told); d != "" {
		t.Error(d)
	}
	told = nil
	top.detach(true)
	slices.Sort(told)
	if d := cmp.Diff([]string{"b false", "c false"}, told); d != "" {
		t.Error(d)
	}
	top.remove([]byte("b")) // nobody is told
	if top.len() != 1 {
		t.Errorf("%d topics", top.len())
	}
}

// TestTopics_upstreamKnowsWhatIsThere: whatever happens, a master that is attached has been told of exactly the
// topics that somebody has.
func TestTopics_upstreamKnowsWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := newTopics(5)
		have, told, attached := map[string]int{}, map[string]bool{}, false
		send := func(topic []byte, on bool) {
			if told[string(topic)] == on {
				t.Fatalf("told twice: %s %v", topic, on)
			}
			told[string(topic)] = on
		}
		topic := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f"})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				if s := topic.Draw(t, "topic"); top.add([]byte(s)) {
					have[s]++
				} else if len(have) < 5 || have[s] > 0 {
					t.Fatalf("%q refused beside %v", s, have)
				}
			},
			"remove": func(t *rapid.T) {
				s := topic.Draw(t, "topic")
				top.remove([]byte(s))
				if have[s]--; have[s] <= 0 {
					delete(have, s)
				}
			},
			"attach": func(t *rapid.T) {
				if attached {
					top.detach(rapid.Bool().Draw(t, "withdraw"))
				}
				told, attached = map[string]bool{}, true
				top.attach(send)
			},
			"": func(t *rapid.T) {
				if !attached {
					return
				}
				for s := range have {
					if !told[s] {
						t.Fatalf("%q is there and was not told", s)
					}
				}
				for s, on := range told {
					if on && have[s] == 0 {
						t.Fatalf("%q was told and is not there", s)
					}
				}
			},
		})
	})
}

func TestContacts(t *testing.T) {
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	c := newContacts(3)
	for i, id := range []string{"a", "b", "c", "a", "d"} {
		c.heard([]byte(id), start.Add(time.Duration(i)*time.Second))
	}
	for _, id := range []string{"", "a/b", "a b", "a\x00", "\x1b[2J", strings.Repeat("x", 256)} {
		c.heard([]byte(id), start)
	}
	want := []Contact{{"a", start.Add(3 * time.Second), 2}, {"c", start.Add(2 * time.Second), 1}, {"d", start.Add(4 * time.Second), 1}}
	if d := cmp.Diff(want, c.list(10)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Contact{want[2]}, c.list(1)); d != "" {
		t.Error(d)
	}
	if recent, all := c.since(start.Add(3 * time.Second)); recent != 2 || all != 3 || c.dropped != 1 || c.refused != 6 {
		t.Errorf("%d of %d recent, %d dropped, %d refused", recent, all, c.dropped, c.refused)
	}
	c.setMost(1)
	if d := cmp.Diff([]Contact{want[2]}, c.list(10)); d != "" {
		t.Error(d)
	}
	c.setMost(0)
	c.heard([]byte("a"), start)
	if got := c.list(10); len(got) != 0 {
		t.Errorf("%v remembered with a bound of 0", got)
	}
}

func TestMinionIn(t *testing.T) {
	encode := func(pairs ...any) []byte {
		b, err := wire.Encode(wire.NewMap(pairs...), wire.Wire)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tc := range []struct {
		name string
		body []byte
		want string
	}{
		{"sign-in", encode("enc", "clear", "load", wire.NewMap("cmd", "_auth", "id", "m1", "pub", "x"), "version", 3), "m1"},
		{"level 3", encode("enc", "aes", "load", []byte{1, 2}, "version", 3, "id", "m2"), "m2"},
		{"level 2", encode("enc", "aes", "load", []byte{1, 2}, "version", 2), ""},
		{"command line", encode("enc", "clear", "load", wire.NewMap("cmd", "publish", "id", "m1")), ""},
		{"no id", encode("enc", "clear", "load", wire.NewMap("cmd", "_auth")), ""},
		{"id is no text", encode("enc", "clear", "load", wire.NewMap("cmd", "_auth", "id", 5)), ""},
		{"load is no map", encode("enc", "clear", "load", "x"), ""},
		{"no map", []byte{0x91, 0xc0}, ""},
		{"nothing", nil, ""},
		{"bomb", []byte{0x81, 0xdd, 0xff, 0xff, 0xff, 0xff}, ""},
		{"cut off", encode("enc", "aes", "id", "m2")[:8], ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(minionIn(tc.body)); got != tc.want {
				t.Errorf("found %q, want %q", got, tc.want)
			}
		})
	}
}

func FuzzMinionIn(f *testing.F) {
	for _, pairs := range [][]any{
		{"enc", "clear", "load", wire.NewMap("cmd", "_auth", "id", "m1")},
		{"enc", "aes", "load", []byte{1, 2}, "version", 3, "id", "m2"},
	} {
		b, err := wire.Encode(wire.NewMap(pairs...), wire.Wire)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		c := newContacts(2)
		if id := minionIn(body); id != nil {
			c.heard(id, time.Now())
		}
		if string(body) != before {
			t.Error("the request was changed")
		}
	})
}

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 1000, 1 << 20: 1000, 8 << 20: 400, 32 << 20: 100, 1 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d bytes live: %d %%, want %d", live, got, want)
		}
	}
}

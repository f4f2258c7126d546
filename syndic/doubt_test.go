package syndic

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

// keysOf names returns.
func keysOf(list []*wire.SyndicReturn) string {
	var keys []string
	for _, r := range list {
		keys = append(keys, r.JID+r.Minions[0].ID)
	}
	return strings.Join(keys, " ")
}

func unsureOf(t testing.TB, b *box) string {
	t.Helper()
	list, err := b.unsure()
	if err != nil {
		t.Fatal(err)
	}
	return keysOf(list)
}

// batchOf takes a batch and names its returns.
func batchOf(t testing.TB, b *box, limit int) string {
	t.Helper()
	got, err := b.take(limit)
	if err != nil {
		t.Fatal(err)
	}
	var list []*wire.SyndicReturn
	for i := range got.returns {
		for _, m := range got.returns[i].Minions {
			list = append(list, &wire.SyndicReturn{JID: got.returns[i].JID, Minions: []wire.MinionReturn{m}})
		}
	}
	return keysOf(list)
}

// TestBox_doubt: what has arrived of a batch is not handed out again, leaves the queue in its turn, and is in doubt again
// when its flight was forgotten.
func TestBox_doubt(t *testing.T) {
	in := newIntake(t, 1)
	b := in.boxes[0]
	in.putOne(t, returnItem("1", "a", nil), returnItem("1", "b", nil), returnItem("2", "a", nil), eventItem("between", false),
		returnItem("2", "b", nil), returnItem("3", "a", nil))
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	arrived := func(keys ...string) map[string]bool {
		m := map[string]bool{}
		for _, k := range keys {
			m[returnKey(k[:1], k[1:])] = true
		}
		return m
	}
	want("before anything was sent", unsureOf(t, b), "")
	want("first batch", batchOf(t, b, 4), "1a 1b 2a 2b")
	b.unanswered()
	want("not answered", unsureOf(t, b), "1a 1b 2a 2b")
	b.forget()
	want("of the link's next life", unsureOf(t, b), "1a 1b 2a 2b")
	b.settle(arrived("1b", "2a", "3a"))
	want("after the answer", unsureOf(t, b), "")
	want("one item", batchOf(t, b, 1), "1a")
	b.unanswered()
	want("one item not answered", unsureOf(t, b), "1a")
	b.forget()
	want("what was known goes with the flight", unsureOf(t, b), "1a 1b 2a")
	b.settle(arrived("1a", "1b", "2a"))
	want("all of a smaller doubt has arrived", batchOf(t, b, 1), "2b")
	acknowledge(t, b)
	want("the last", batchOf(t, b, 1), "")
	acknowledge(t, b) // the event
	want("no doubt about what was never sent", unsureOf(t, b), "")
	want("the last", batchOf(t, b, 9), "3a")
	b.unanswered()
	b.settle(arrived("3a"))
	want("nothing is left to send", batchOf(t, b, 9), "")
	acknowledge(t, b)
	if err := in.store.Sync(); err != nil {
		t.Fatal(err)
	}
	if st, err := b.q.Stats(); err != nil || st.Items != 0 || st.Acknowledged != 6 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestBox_doubtAtStart: what an earlier process left in the queue may have arrived.
func TestBox_doubtAtStart(t *testing.T) {
	in := newIntake(t, 1)
	in.putOne(t, returnItem("1", "a", nil))
	want := "1a"
	if got := unsureOf(t, newBox(in.boxes[0].q)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	batchOf(t, in.boxes[0], 1)
	acknowledge(t, in.boxes[0])
	in.putOne(t, eventItem("an event", false))
	b := newBox(in.boxes[0].q)
	in.putOne(t, returnItem("2", "a", nil))
	if got := unsureOf(t, b); got != "" {
		t.Errorf("%q, want nothing: no return had waited", got)
	}
}

// TestTier_doubt: a stock master of masters takes some of a batch and does not say so. It is asked what it has, and gets
// the rest; where it does not tell, it gets all of it again.
func TestTier_doubt(t *testing.T) {
	const jid = "20261120150000000001"
	minions := []string{"a", "b", "c", "d"}
	result := func(ids ...string) []byte {
		returned := wire.NewMap()
		for _, id := range ids {
			returned.Set(id, wire.NewMap("return", true))
		}
		return encode(t, wire.Wire, "jid", jid, "Result", returned)
	}
	for _, test := range []struct {
		name    string
		answers [][]byte // to the questions; the last one stays
		second  string   // what is sent again
		asked   int
	}{
		{"all of it arrived", [][]byte{result("a", "b", "c", "d")}, "", 1},
		{"some arrived", [][]byte{result("a", "b")}, "c d", 2},
		{"it is at it still", [][]byte{result("a"), result("a", "b"), result("a", "b", "c", "d")}, "", 3},
		{"nothing arrived", [][]byte{result()}, "a b c d", 1},
		{"it may not be asked", [][]byte{{0x80}}, "a b c d", 1},
		{"its runner breaks", [][]byte{wire.AppendStr(nil, "Exception occurred", wire.Wire)}, "a b c d", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var (
				mu     sync.Mutex
				asked  int
				broken bool
			)
			fake := startFake(t, func(cmd string, load []byte) []byte {
				mu.Lock()
				defer mu.Unlock()
				switch cmd {
				case wire.CmdSalternPubs, wire.CmdSalternInventory:
					return []byte{0x80}
				case wire.CmdSyndicReturn:
					if !broken {
						broken = true
						return wire.AppendStr(nil, "", wire.Wire) // its handler broke
					}
				case wire.CmdMinionRunner:
					fun, _ := wire.Field(load, "fun")
					if name, _ := wire.Str(fun); name != "jobs.list_job" {
						return []byte{0x80}
					}
					asked++
					return test.answers[min(asked, len(test.answers))-1]
				}
				return nil
			})
			var items []Routed
			for _, id := range minions {
				items = append(items, Routed{Item: returnItem(jid, id, nil), To: 1})
			}
			s := run(t, testConfig(t, startLocal(t), fake.up()), func(s *Syndic) {
				s.upstreams[0].retryMin, s.upstreams[0].retryMax = time.Millisecond, 10*time.Millisecond
				putAll(t, s.intake, items) // before the link is there: in one batch
			})
			eventually(t, "all returns are acknowledged", func() bool {
				u := s.Stats().Upstreams[0]
				return u.Waiting == 0 && u.Acknowledged >= int64(len(minions))
			})
			var first, second []string
			for i, load := range fake.received(wire.CmdSyndicReturn) {
				list, err := wire.ParseSyndicReturns(load)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range list {
					for _, m := range r.Minions {
						if i == 0 {
							first = append(first, m.ID)
						} else {
							second = append(second, m.ID)
						}
					}
				}
			}
			if slices.Sort(second); !slices.Equal(first, minions) || strings.Join(second, " ") != test.second {
				t.Errorf("first %q, then %q, want %q and %q", first, second, minions, test.second)
			}
			mu.Lock()
			defer mu.Unlock()
			if asked != test.asked {
				t.Errorf("asked %d times, want %d", asked, test.asked)
			}
		})
	}
}

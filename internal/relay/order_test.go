package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestOrder: steps are <way><frame>: a, b and d are ways, the last of them direct. !<way> breaks a way. What an entry is judged as
// stands behind the colon; go has it go out.
func TestOrder(t *testing.T) {
	for name, steps := range map[string][]string{
		"one way":                              {"a1:go", "a2:go", "a2:copy"},
		"two ways":                             {"a1:go", "b1:copy", "b2:go", "a2:copy", "a3:go"},
		"overtaken over any number of entries": {"a1:go", "d1:copy", "!d", "d4:go", "d6:go", "a2:late", "a3:late", "a4:copy", "a5:late", "a6:copy", "a7:go"},
		"first contact of a second way":        {"a1:go", "a2:go", "b2:copy", "b3:go", "a3:copy"},
		"a second way that is behind":          {"a1:go", "a2:go", "b0:unsure", "b1:copy", "b1b:late", "b2:copy", "b3:go"},
		"a hole of the only way":               {"a1:go", "!a", "a3:go", "a4:go"},
		"a hole that another way filled":       {"a1:go", "!a", "d1:copy", "d2:go", "a3:unsure", "d3:go", "a3:copy", "a4:go"},
		"a way that missed something":          {"a1:go", "b1:copy", "!a", "a3:go", "b2:late", "b3:copy", "b4:go"},
	} {
		t.Run(name, func(t *testing.T) {
			var o order
			went := map[string]uint64{}
			for i, step := range steps {
				do, want, _ := strings.Cut(step, ":")
				if do[0] == '!' {
					o.breaks(do[1:])
					continue
				}
				way, frame := do[:1], do[1:]
				got := "copy"
				if ord, ok := went[frame]; ok {
					o.shows(way, ord, time.Time{})
				} else {
					got = o.judge(way).String()
					if got == "go" {
						went[frame] = o.goes(way, time.Time{}, time.Time{})
					}
				}
				if got != want {
					t.Fatalf("step %d, %s: %s, want %s; %+v", i, do, got, want, o)
				}
			}
		})
	}
}

// TestOrder_bound: names of ways come from the stream, and do not grow for ever.
func TestOrder_bound(t *testing.T) {
	var o order
	for i := range 10 * maxTaps {
		o.shows(fmt.Sprint(i), 1, time.Time{})
	}
	if len(o.Ways) > maxTaps+1 {
		t.Errorf("%d ways", len(o.Ways))
	}
}

// FuzzOrder plays two taps and a direct link that each lose some publications and say so, at any pace. What goes out has to
// be in order, and what does not go out has to be judged late.
func FuzzOrder(f *testing.F) {
	f.Add([]byte{0, 0, 1, 2, 0x10, 0x21, 2, 1, 0, 0x12, 1, 2})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var o order
		names := []string{"a", "b", directWay}
		next := [3]int{1, 1, 1}
		went, late := map[int]uint64{}, map[int]bool{}
		last := 0
		for _, s := range steps {
			w := int(s&0x0f) % 3
			if lost := int(s >> 4); lost > 0 {
				next[w] += lost
				o.breaks(names[w])
				continue
			}
			p := next[w]
			next[w]++
			if ord, ok := went[p]; ok {
				o.shows(names[w], ord, time.Time{})
				continue
			}
			if late[p] {
				continue
			}
			switch o.judge(names[w]) {
			case verdictGo:
				if p < last {
					t.Fatalf("%d goes out behind %d", p, last)
				}
				last = p
				went[p] = o.goes(names[w], time.Time{}, time.Time{})
			case verdictLate:
				if p > last {
					t.Fatalf("%d is said to be behind %d", p, last)
				}
				late[p] = true
			case verdictUnsure:
			}
		}
	})
}

// TestOrder_revived: a new life knows what went out, unless the former one crashed with a hole that it had jumped over.
func TestOrder_revived(t *testing.T) {
	for name, tc := range map[string]struct {
		open bool
		want verdict
	}{"as it was": {false, verdictGo}, "crashed behind a hole": {true, verdictUnsure}} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			var o order
			o.goes("a", now, now)
			o.shows(directWay, 1, now)
			if tc.open {
				o.Open = o.Out + 1
			}
			o.revived(now)
			if got := o.judge("a"); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
			if o.whole(directWay) {
				t.Error("the direct link of another life is whole")
			}
		})
	}
}

// TestOrder_open: the stream closes the hole that the direct link jumped over when it shows what went out behind it.
func TestOrder_open(t *testing.T) {
	now := time.Unix(1000, 0)
	var o order
	o.goes("a", now, now)
	o.Open = o.Out + 1
	n := o.goes(directWay, now, now)
	o.shows("a", 1, now)
	if o.Open == 0 {
		t.Error("closed too early")
	}
	o.shows("a", n, now)
	if o.Open != 0 {
		t.Error("still open")
	}
}

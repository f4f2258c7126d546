package relay

import (
	"strings"
	"testing"
	"time"
)

// TestRace_order: steps are d<frame> over the direct link, s<frame> by the stream, cut, and tick<ms> or alone<ms> at that time;
// what goes out of the race stands behind the colon. A copy that the stream brings goes out by itself.
func TestRace_order(t *testing.T) {
	for name, steps := range map[string][]string{
		"begins holding until the stream brings one": {"da:", "db:", "sa:a b", "dc:c"},
		"the stream brings the last one held":        {"da:", "db:", "sb:a b"},
		"the stream is behind":                       {"da:", "sx:", "sy:", "sa:a", "db:b"},
		"nobody brings it":                           {"da:", "tick2999:", "tick3000:a", "db:b"},
		"held from the first one on":                 {"tick5000:", "da:", "tick7999:", "db:", "tick8000:a b"},
		"the stream is away":                         {"da:", "alone1:a", "db:b"},
		"nothing held, nothing let go":               {"tick9000:", "alone9000:", "da:"},
		"a cut holds again":                          {"da:", "sa:a", "db:b", "cut:", "dc:", "sb:", "sc:c", "dd:d"},
		"a cut keeps what is held":                   {"da:", "cut:", "db:", "sa:a b"},
		"in sync the stream lets nothing go":         {"alone1:", "da:", "alone2:a", "sa:", "sb:", "db:b"},
	} {
		t.Run(name, func(t *testing.T) {
			var r race
			begin := time.Unix(1000, 0)
			now := begin
			at := func(ms string) time.Time {
				d, err := time.ParseDuration(ms + "ms")
				if err != nil {
					t.Fatal(err)
				}
				now = begin.Add(d)
				return now
			}
			for i, step := range steps {
				do, want, _ := strings.Cut(step, ":")
				var out [][][]byte
				switch {
				case do == "cut":
					r.cut()
				case strings.HasPrefix(do, "tick"):
					out = r.tick(at(do[4:]), false)
				case strings.HasPrefix(do, "alone"):
					out = r.tick(at(do[5:]), true)
				case do[0] == 'd':
					out = r.direct([][]byte{[]byte(do[1:])}, now)
				case do[0] == 's':
					out = r.stream([]byte(do[1:]))
				}
				var got []string
				for _, m := range out {
					got = append(got, string(m[len(m)-1]))
				}
				if strings.Join(got, " ") != want {
					t.Fatalf("step %d, %s: %q goes out, want %q", i, do, got, want)
				}
			}
		})
	}
}

// TestRace_bound: what is held does not grow for ever.
func TestRace_bound(t *testing.T) {
	var r race
	out := 0
	for range maxHeld {
		out += len(r.direct([][]byte{{1}}, time.Unix(0, 0)))
	}
	if out != maxHeld || len(r.held) != 0 {
		t.Errorf("%d went out, %d held", out, len(r.held))
	}
}

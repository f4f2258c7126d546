package relay

import (
	"strings"
	"testing"
	"time"
)

// TestRace: steps are d<frame> over the direct link, s<frame> out by the stream, cut, and tick<ms> at that time;
// what may go out stands behind the colon, what the stream has passed over in brackets.
func TestRace(t *testing.T) {
	for name, steps := range map[string][]string{
		"begins holding until the stream brings one": {"da:", "db:", "sa:b", "dc:c"},
		"the stream brings the last one held":        {"da:", "db:", "sb:[a]", "dc:c"},
		"the stream is behind":                       {"da:", "sx:", "sy:", "sa:", "db:b"},
		"nobody brings it":                           {"da:", "tick2999:", "tick3000:a", "db:b"},
		"held from the first one on":                 {"tick5000:", "da:", "tick7999:", "db:", "tick8000:a b"},
		"nothing held, nothing let go":               {"tick9000:", "da:"},
		"a cut holds again":                          {"da:", "sa:", "db:b", "cut:", "dc:", "sb:", "sc:", "dd:d"},
		"a cut keeps what is held":                   {"da:", "cut:", "db:", "sa:b"},
		"in sync the stream lets nothing go":         {"da:", "tick3000:a", "sa:", "sb:", "db:b"},
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
				var before, out [][][]byte
				due := false
				switch {
				case do == "cut":
					r.cut()
				case strings.HasPrefix(do, "tick"):
					due = r.due(at(do[4:]))
				case do[0] == 'd':
					m := [][]byte{[]byte(do[1:])}
					if held, _ := r.direct(m, now); !held {
						out = append(out, m)
					}
				case do[0] == 's':
					before, out, _ = r.stream([]byte(do[1:]))
				}
				if due {
					out = r.release()
				}
				var got []string
				for _, m := range before {
					got = append(got, "["+string(m[len(m)-1])+"]")
				}
				for _, m := range out {
					got = append(got, string(m[len(m)-1]))
				}
				if strings.Join(got, " ") != want {
					t.Fatalf("step %d, %s: %q, want %q", i, do, got, want)
				}
			}
		})
	}
}

// TestRace_bound: what is held does not grow for ever.
func TestRace_bound(t *testing.T) {
	var r race
	for i := range maxHeld {
		if _, full := r.direct([][]byte{{1}}, time.Unix(0, 0)); full != (i == maxHeld-1) {
			t.Fatalf("at %d: full %v", i, full)
		}
	}
}

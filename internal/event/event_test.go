package event

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saltern-io/saltern/internal/wire"
)

func TestStamp(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	for want, at := range map[string]time.Time{
		"2026-11-20T13:39:27.191458": time.Date(2026, 11, 20, 15, 39, 27, 191458999, zone),
		"2026-11-20T13:39:27.000000": time.Date(2026, 11, 20, 13, 39, 27, 0, time.UTC),
	} {
		if got := Stamp(at); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestNew_workedExample is the frame that the specification spells out.
func TestNew_workedExample(t *testing.T) {
	e, err := New("salt/key", wire.NewMap("result", true, "act", "accept", "id", "m1"), time.Date(2026, 11, 20, 13, 39, 27, 191458000, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	want := "\x82\xa4head\x80\xa4body\xc4\x46salt/key\n\n\x84\xa6result\xc3\xa3act\xa6accept\xa2id\xa2m1\xa6_stamp\xba2026-11-20T13:39:27.191458"
	if d := cmp.Diff(want, string(AppendFrame(nil, e))); d != "" {
		t.Error(d)
	}
}

func TestNew_stampsInPlaceAndLeavesTheMapAlone(t *testing.T) {
	data := wire.NewMap("a", 1, "_stamp", "old", "b", 2)
	e, err := New("t", data, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if want := "\x83\xa1a\x01\xa6_stamp\xba1970-01-01T00:00:00.000000\xa1b\x02"; string(e.Data) != want {
		t.Errorf("%q", e.Data)
	}
	if data.Str("_stamp") != "old" {
		t.Error("the caller's map was changed")
	}
}

func TestNew_refuses(t *testing.T) {
	for _, tag := range []string{"", "a\n\nb", "a\n", "\xff"} {
		if _, err := New(tag, wire.NewMap(), time.Now()); !errors.Is(err, ErrTag) {
			t.Errorf("%q: %v", tag, err)
		}
	}
	if _, err := New("t", wire.NewMap("x", struct{}{}), time.Now()); err == nil {
		t.Error("a Go struct was encoded")
	}
}

func TestTags(t *testing.T) {
	for got, want := range map[string]string{
		TagJob("1"): "1", TagJobNew("1"): "salt/job/1/new", TagJobPublish("1"): "salt/job/1/publish",
		TagJobReturn("1", "m/1"): "salt/job/1/ret/m/1", TagJobError(""): "salt/job/error", TagJobError("1"): "salt/job/1/error",
		TagStateError("1", "m1", "test.f"): "salt/job/1/sub/m1/error/test.f", TagMinionStart("m1"): "salt/minion/m1/start",
		TagMinionRefresh("m1"): "minion/refresh/m1", TagSyndicStart("s"): "salt/syndic/s/start", TagSyndicForward("s", "a/b"): "syndic/s/a/b",
		TagJobPrefix("1"): "salt/job/1/",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for tag, want := range map[string]bool{
		"salt/job/1/ret/m1": true, "salt/job/1/ret": false, "salt/job/ret/m1": false, "salt/job/1/sub/ret/x": false,
		"syndic/s/salt/job/1/ret/m": false, "salt/run/1/ret": false, "": false,
	} {
		if got := isReturn(tag); got != want {
			t.Errorf("isReturn(%q) = %v", tag, got)
		}
	}
}

func TestNewTrimmed(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	cases := []struct {
		name string
		data *wire.Map
		want *wire.Map // without _stamp
	}{
		{"fits", wire.NewMap("a", long(100)), wire.NewMap("a", long(100))},
		{"largest first", wire.NewMap("a", long(300), "b", long(900), "c", 1), wire.NewMap("a", long(300), "b", Trimmed, "c", 1)},
		{"at any depth", wire.NewMap("r", wire.NewMap("deep", wire.NewMap("v", long(2000)), "k", "v")), wire.NewMap("r", wire.NewMap("deep", wire.NewMap("v", Trimmed), "k", "v"))},
		{"a list is one value", wire.NewMap("l", []any{long(600), long(600)}, "s", "t"), wire.NewMap("l", Trimmed, "s", "t")},
		{"several", wire.NewMap("a", long(600), "b", long(601), "c", long(602)), wire.NewMap("a", long(600), "b", Trimmed, "c", Trimmed)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before, err := wire.Encode(c.data, wire.Local)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Unix(9, 0)
			got, err := NewTrimmed("t", c.data, at, 1000)
			if err != nil {
				t.Fatal(err)
			}
			want, err := New("t", c.want, at)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want.Data), string(got.Data)); d != "" || len(got.Data) > 1000 {
				t.Errorf("%d bytes: %s", len(got.Data), d)
			}
			after, err := wire.Encode(c.data, wire.Local)
			if err != nil || string(after) != string(before) {
				t.Error("the caller's map was changed", err)
			}
		})
	}
	many := wire.NewMap()
	for i := range 200 {
		many.Set(int64(i), "small")
	}
	if _, err := NewTrimmed("t", many, time.Now(), 1000); !errors.Is(err, ErrEventSize) {
		t.Errorf("many small values: %v", err)
	}
	if e, err := NewTrimmed("t", wire.NewMap("a", long(2<<20)), time.Now(), 0); err != nil || len(e.Data) > 200 {
		t.Errorf("default limit: %d %v", len(e.Data), err)
	}
}

// TestNewTrimmed_always: whatever the data, the result is within the limit or an error.
func TestNewTrimmed_always(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		m := wire.NewMap()
		for i := range rng.IntN(20) {
			m.Set(int64(i), strings.Repeat("y", rng.IntN(400)))
			if rng.IntN(4) == 0 {
				m.Set("sub", wire.NewMap("x", m.Clone()))
			}
		}
		e, err := NewTrimmed("t", m, time.Now(), 700)
		if err == nil && len(e.Data) > 700 || err != nil && !errors.Is(err, ErrEventSize) {
			t.Fatalf("%d bytes, %v", len(e.Data), err)
		}
	}
}

func TestInstalledFraming(t *testing.T) {
	for release, want := range map[string]Framing{
		"3006.25": FramingBare, "3006.26": FramingLength, "3006.30rc1": FramingLength, "3006.1000": FramingLength, "3006.x": FramingBare,
		"3007.8": FramingBare, "3008.2": FramingBare, "": FramingBare, "3006.": FramingBare, "3006.99999999999999999999": FramingBare,
	} {
		if got := releaseFraming(release); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
	dir := t.TempDir()
	if f, why := installedFraming([]string{dir + "/*/none"}); f != FramingBare || why == "" {
		t.Errorf("nothing installed: %v %q", f, why)
	}
	writeFile(t, dir+"/_version.txt", "3006.26\n")
	if f, why := installedFraming([]string{dir + "/*/none", dir + "/_version.t*"}); f != FramingLength || !strings.Contains(why, "3006.26") {
		t.Errorf("3006.26: %v %q", f, why)
	}
}

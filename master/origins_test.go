package master_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

func originOf(t testing.TB, e event.Event) string {
	t.Helper()
	v, ok := mastertest.EventData(t, e).Get(wire.KeyEventOrigin)
	if !ok {
		return "none"
	}
	o, err := wire.ParseOrigin(v)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %d %v %v", o.ID, o.N, o.Path, o.Copy)
}

func TestOrigins_twoFormsOneCopy(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	s := startedSyndic(t, m, "syn1")
	bus := m.Bus(t)
	s.forward(t, 7, eventItem("my/tag", wire.NewMap("a", 1)), eventItem("salt/job/1/new", wire.NewMap("a", 2)))
	s.forward(t, 0, eventItem("my/stock", wire.NewMap("a", 3)))
	var got []string
	for _, e := range bus.Drain(t) {
		got = append(got, e.Tag+": "+originOf(t, e))
	}
	want := []string{
		"syndic/syn1/my/tag: syn1 7 [syn1] false", "my/tag: syn1 7 [syn1] true",
		"syndic/syn1/salt/job/1/new: syn1 8 [syn1] false",
		"syndic/syn1/my/stock: none", "my/stock: none",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOrigins_onceByTwoWays(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	a, b := startedSyndic(t, m, "syn1"), startedSyndic(t, m, "syn2")
	bus := m.Bus(t)
	e := eventItem("my/tag", wire.NewMap("minions", []any{"x1"}, "jid", "20261120141909944303"))
	a.forward(t, 7, e)
	a.forward(t, 7, e) // the answer was lost
	viaB := e.Clone()
	viaB.Set(wire.KeyOrigin, wire.Origin{ID: "syn1", N: 7, Path: []string{"syn1", "syn2"}}.Map())
	b.forward(t, 0, viaB)
	viaB.Set(wire.KeyOrigin, wire.Origin{ID: "syn1", N: 8, Path: []string{"syn1", "syn2"}}.Map())
	b.forward(t, 0, viaB)
	viaB.Set(wire.KeyOrigin, "nonsense")
	b.forward(t, 0, viaB)
	want := []string{"syndic/syn1/my/tag", "my/tag", "syndic/syn2/my/tag", "my/tag", "syndic/syn2/my/tag", "my/tag"}
	if got := mastertest.Tags(bus.Drain(t)); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	st := m.Master.Stats()
	if st.EventsRepeated != 2 || st.Syndics[0].Repeats != 1 || st.Syndics[1].Repeats != 1 || st.Syndics[1].Events != 2 {
		t.Errorf("%+v", st.Syndics)
	}
}

// A minion is no syndic: what it says about origins neither hides other events nor is passed on.
func TestOrigins_fromSyndicsOnly(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	s := startedSyndic(t, m, "syn1")
	minion := mastertest.SignedIn(t, m, "m1", 3)
	bus := m.Bus(t)
	item := eventItem("my/tag", wire.NewMap("a", 1))
	item.Set(wire.KeyOrigin, wire.Origin{ID: "syn1", N: 7}.Map())
	minion.Do(t, wire.NewMap("id", "m1", "cmd", wire.CmdMinionEvent, "pretag", nil, "tok", minion.Tok(), "events", []any{item}))
	s.forward(t, 7, eventItem("my/tag", wire.NewMap("a", 1)))
	if got := mastertest.Tags(bus.Drain(t)); len(got) != 3 {
		t.Errorf("%q", got)
	}
}

// TestOrigins_plainTag: however many levels an event comes from, its second form has the tag that it had there.
func TestOrigins_plainTag(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	s := startedSyndic(t, m, "syn1")
	bus := m.Bus(t)
	n := int64(0)
	from := func(tag string, path ...string) {
		n++
		e := eventItem(tag, wire.NewMap("a", 1))
		e.Set(wire.KeyOrigin, wire.Origin{ID: path[0], N: n, Path: path}.Map())
		s.forward(t, 0, e)
	}
	from("syndic/syn2/my/tag", "syn2", "syn1")
	from("syndic/syn2/syndic/syn3/my/tag", "syn3", "syn2", "syn1")
	from("syndic/syn2/salt/job/1/new", "syn2", "syn1")       // only the master itself fires what this would become
	from("syndic/syn9/my/tag", "syn2", "syn1")               // not what its path says
	from("syndic/syn2/20261120141909944303", "syn2", "syn1") // stock clients wait for it
	want := []string{
		"syndic/syn1/syndic/syn2/my/tag", "my/tag", "syndic/syn1/syndic/syn2/syndic/syn3/my/tag", "my/tag",
		"syndic/syn1/syndic/syn2/salt/job/1/new", "syndic/syn1/syndic/syn9/my/tag", "syndic/syn9/my/tag",
		"syndic/syn1/syndic/syn2/20261120141909944303", "20261120141909944303",
	}
	if got := mastertest.Tags(bus.Drain(t)); !slices.Equal(got, want) {
		t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestOrigins_notBack: what the syndic beside this master forwarded was here first.
func TestOrigins_notBack(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	path := filepath.Join(m.Config.CacheDir, config.SyndicIDFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s := startedSyndic(t, m, "syn1")
	bus := m.Bus(t)
	e := eventItem("my/tag", wire.NewMap("a", 1))
	e.Set(wire.KeyOrigin, wire.Origin{ID: "syn2", N: 99, Path: []string{"syn2", "syn1"}}.Map())
	s.forward(t, 0, e) // the master has looked for a syndic beside it before that starts
	bus.Drain(t)
	if err := os.WriteFile(path, []byte("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, path := range [][]string{{"own", "syn1"}, {"syn2", "own", "syn1"}, {"syn2", "syn1"}} {
		e := eventItem("my/tag", wire.NewMap("a", 1))
		e.Set(wire.KeyOrigin, wire.Origin{ID: path[0], N: int64(i), Path: path}.Map())
		s.forward(t, 0, e)
	}
	if got := mastertest.Tags(bus.Drain(t)); len(got) != 2 {
		t.Errorf("%q", got)
	}
	if n := m.Master.Stats().EventsRepeated; n != 2 {
		t.Errorf("%d events were here before", n)
	}
}

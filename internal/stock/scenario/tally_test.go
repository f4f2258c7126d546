package scenario

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/saltern-io/saltern/internal/stock"
)

// busOf is a bus that says the events and keeps the connection.
func busOf(t *testing.T, events map[string]map[string]any, order ...string) *stock.Bus {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus.ipc")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	var frames []byte
	for _, tag := range order {
		data, err := msgpack.Marshal(events[tag])
		if err != nil {
			t.Fatal(err)
		}
		frame, err := msgpack.Marshal(map[string]any{"body": append([]byte(tag+"\n\n"), data...)})
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame...)
	}
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write(frames) // the reader's count tells
	}()
	bus, err := stock.DialBus(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	err = stock.Poll(t.Context(), "the events", 20*time.Second, func() error {
		if bus.Len() < len(order) {
			return errors.New("not all")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bus
}

func TestTally(t *testing.T) {
	events := map[string]map[string]any{
		missedTag:             {"upstream": "127.0.1.1", "count": 3, "jid": "7"},
		"salt/job/1/ret/a/b":  {},
		"salt/job/1/new":      {},
		"salt/auth":           {},
		"syndic/x/" + "other": {},
	}
	var tl tally
	tl.read(busOf(t, events, "salt/job/1/new", "salt/job/1/ret/a/b", "salt/job/1/ret/a/b", missedTag, "salt/auth"))
	// The master was restarted: another bus, the same counts.
	tl.read(busOf(t, events, "salt/job/1/ret/a/b", missedTag, "syndic/x/other"))
	if !tl.jobs["1"] || len(tl.jobs) != 1 {
		t.Errorf("jobs %v, want 1", tl.jobs)
	}
	if n := tl.extra("1"); n != 2 {
		t.Errorf("%d extra returns, want 2", n)
	}
	if missing := tl.missing("1", []string{"a/b", "c"}); !slices.Equal(missing, []string{"c"}) {
		t.Errorf("missing %q", missing)
	}
	if n := tl.reported("127.0.1.1", 0); n != 6 {
		t.Errorf("%d reported, want 6", n)
	}
	if n := tl.reported("127.0.1.1", 1); n != 3 {
		t.Errorf("%d reported since the first, want 3", n)
	}
	for jid, want := range map[string]int{"7": 6, "8": 0} {
		if n := tl.reported("127.0.1.1", 0, job{jid: jid}); n != want {
			t.Errorf("%d reported for job %s, want %d", n, jid, want)
		}
	}
	if n := tl.reported("127.0.1.2", 0); n != 0 {
		t.Errorf("%d reported of another upstream", n)
	}
}

func TestLimited(t *testing.T) {
	b := &Bench{Column: column("3008.0", nil)}
	err := b.limited(t.Context(), Step{Run: func(context.Context, *Bench) error { panic("broken") }})
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a panic is %v", err)
	}
	err = b.limited(t.Context(), Step{Limit: time.Millisecond, Run: func(ctx context.Context, _ *Bench) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	if !errors.Is(err, stock.ErrTimeout) {
		t.Errorf("a step without end is %v", err)
	}
}

func TestWriteMatrix_figuresAndNotes(t *testing.T) {
	var out strings.Builder
	_, err := WriteMatrix(&out, []string{"3006.10", "3008.0"}, []Cell{
		{Scenario: "g/a", Release: "3006.10", Figure: "12.3 s", Notes: []string{"one", "two"}},
		{Scenario: "g/a", Release: "3008.0"},
	})
	want := `scenario  3006.10    3008.0
g/a       ok 12.3 s  ok

3006.10 g/a: one
3006.10 g/a: two

2 ok, 0 failed, 0 not applicable
`
	if err != nil || out.String() != want {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

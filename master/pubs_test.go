package master_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

func TestMissedPubs_forSyndicsOnly(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters, c.MinimumAuthVersion = true, 0 })
	for _, level := range []wire.Level{0, 1, 2, 3} {
		t.Run(fmt.Sprint("level ", level), func(t *testing.T) {
			s := newSyndic(t, m, fmt.Sprint("syn", level), level)
			if _, err := s.pubs(t, wire.PubsRequest{}); !errors.Is(err, wire.ErrNotServed) {
				t.Errorf("before its start event: %v", err)
			}
			s.start(t)
			reply, err := s.pubs(t, wire.PubsRequest{})
			switch {
			case level < 2 && !errors.Is(err, wire.ErrNotServed):
				t.Errorf("at this level: %+v %v", reply, err)
			case level >= 2 && (err != nil || reply.Next != 1 || len(reply.Epoch) != wire.EpochLen || reply.Trimmed || reply.More):
				t.Errorf("%+v %v", reply, err)
			}
		})
	}
	s := newSyndic(t, m, "syn2b", 2)
	s.start(t)
	load, err := wire.DecodeMap(wire.PubsRequest{ID: s.ID}.AppendLoad(nil, wire.Proof{}), wire.Wire, wire.LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	if _, text := s.Try(t, load); text != "bad load" {
		t.Errorf("without tok: %q", text)
	}
}

func TestMissedPubs_fromAPositionOn(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters, c.MasterID = true, "top" })
	s := startedSyndic(t, m, "syn1")
	var want []string
	for i := range 5 {
		req := ping("*")
		req.To, req.HasTo = 15, true
		req.Kwargs = wire.NewMap("metadata", wire.NewMap("n", i), "auth_list", []any{"test.*"})
		want = append(want, mustPublish(t, m, req).JID)
	}
	first := s.mustPubs(t, "", 0, 0)
	if got := jids(t, first.Pubs); !slices.Equal(got, want) || first.Next != 6 || first.More || first.Trimmed {
		t.Fatalf("first contact: %q, %+v", got, first)
	}
	pub, err := wire.ParsePublication(first.Pubs[3].Load)
	if err != nil || pub.MasterID != "top" || pub.To != int64(15) || len(pub.AuthList) != 1 || pub.Metadata.(*wire.Map).Int("n") != 3 {
		t.Errorf("kept load: %+v %v", pub, err)
	}
	if p := s.mustPubs(t, first.Epoch, 3, 0); !slices.Equal(jids(t, p.Pubs), want[3:]) {
		t.Errorf("after 3: %q", jids(t, p.Pubs))
	}
	part := s.mustPubs(t, first.Epoch, 1, 2)
	if got := jids(t, part.Pubs); !slices.Equal(got, want[1:3]) || !part.More {
		t.Errorf("two after 1: %q, more %v", got, part.More)
	}
	if p := s.mustPubs(t, first.Epoch, 5, 0); len(p.Pubs) != 0 || p.More || p.Trimmed {
		t.Errorf("after the last: %+v", p)
	}
	stats := m.Master.Stats()
	if len(stats.Syndics) != 1 || stats.Syndics[0].Asked != 4 || stats.Syndics[0].Fetched != 5+2+2 || stats.Syndics[0].Serial != 5 || stats.Syndics[0].Epoch != first.Epoch {
		t.Errorf("stats: %+v", stats.Syndics)
	}
}

func TestMissedPubs_acrossRestartAndRotation(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters, c.LoopInterval = true, 10*time.Millisecond })
	s := startedSyndic(t, m, "syn1")
	one := mustPublish(t, m, ping("*"))
	start := s.mustPubs(t, "", 0, 0)
	m.Stop(t)
	cfg := *m.Config
	m = mastertest.Run(t, m.Dir, &cfg)
	s = newSyndic(t, m, "syn1", 3)
	two := mustPublish(t, m, ping("*"))
	after := s.mustPubs(t, start.Epoch, start.Next-1, 0)
	if got := jids(t, after.Pubs); !slices.Equal(got, []string{two.JID}) || after.Epoch != start.Epoch {
		t.Fatalf("after a restart: %q", got)
	}
	bus := m.Bus(t)
	if err := os.WriteFile(filepath.Join(m.Config.CacheDir, ".dfn"), nil, 0o400); err != nil {
		t.Fatal(err)
	}
	bus.Until(t, "key")
	three := mustPublish(t, m, ping("*"))
	all := s.mustPubs(t, start.Epoch, 0, 0)
	if got := jids(t, all.Pubs); !slices.Equal(got, []string{one.JID, two.JID, three.JID}) {
		t.Errorf("across a rotation: %q", got)
	}
	if all.Epoch == start.Epoch || all.Next != 2 || all.Pubs[2].Epoch != all.Epoch || all.Pubs[2].Serial != 1 {
		t.Errorf("after a rotation: %+v", all)
	}
	if p := s.mustPubs(t, all.Epoch, 0, 0); len(p.Pubs) != 1 {
		t.Errorf("in the new epoch: %d", len(p.Pubs))
	}
}

func TestMissedPubs_oldOnes(t *testing.T) {
	var c clock
	m := c.start(t, func(c *config.Master) { c.OrderMasters, c.JournalKeep = true, time.Hour })
	s := startedSyndic(t, m, "syn1")
	old := mustPublish(t, m, ping("*"))
	epoch := s.mustPubs(t, "", 0, 0).Epoch
	c.advance(2 * time.Minute)
	young := mustPublish(t, m, ping("*"))
	for _, stranger := range []string{"", "00112233445566778899aabbccddeeff"} {
		if p := s.mustPubs(t, stranger, 7, 0); !slices.Equal(jids(t, p.Pubs), []string{young.JID}) || p.Trimmed {
			t.Errorf("epoch %q: %q, trimmed %v", stranger, jids(t, p.Pubs), p.Trimmed)
		}
	}
	if p := s.mustPubs(t, epoch, 0, 0); !slices.Equal(jids(t, p.Pubs), []string{old.JID, young.JID}) || p.Trimmed {
		t.Errorf("known epoch: %+v", p)
	}
	c.advance(59 * time.Minute)
	until(t, "the older one is dropped", func() bool {
		p := s.mustPubs(t, epoch, 0, 0)
		return slices.Equal(jids(t, p.Pubs), []string{young.JID}) && p.Trimmed
	})
	if p := s.mustPubs(t, epoch, 1, 0); p.Trimmed {
		t.Error("nothing behind the first is gone")
	}
}

func TestMissedPubs_boundedReply(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	s := startedSyndic(t, m, "syn1")
	big := bytes.Repeat([]byte("x"), 700<<10)
	var want []string
	for range 3 {
		req := ping("*")
		req.Arg = []any{string(big)}
		want = append(want, mustPublish(t, m, req).JID)
	}
	var got []string
	after := uint64(0)
	epoch := s.mustPubs(t, "", 0, 1).Epoch
	for {
		p := s.mustPubs(t, epoch, after, 0)
		if len(p.Pubs) != 1 {
			t.Fatalf("%d publications of 700 KiB in one reply", len(p.Pubs))
		}
		got = append(got, jids(t, p.Pubs)...)
		after = p.Pubs[0].Serial
		if !p.More {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is on the wire and what is in the journal must be the same, in the same order, however many publish at once.
func TestJournal_isWhatWasSent(t *testing.T) {
	m := mastertest.Start(t, withSyndics)
	s := startedSyndic(t, m, "syn1")
	sub := m.Subscribe(t, s.Minion, func() string { return mustPublish(t, m, ping("*")).JID })
	marker := s.mustPubs(t, "", 0, 0).Next - 1
	const publishers, each = 8, 25
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for range each {
				if reply := publish(t, m, ping("*")); reply.Err != "" {
					t.Errorf("publish: %+v", reply)
				}
			}
		})
	}
	wg.Wait()
	var sent []uint64
	for len(sent) < publishers*each {
		if serial := uint64(sub.Next(t).Load.Int("serial")); serial > marker {
			sent = append(sent, serial)
		}
	}
	if !slices.IsSorted(sent) {
		t.Error("serials fall on the wire")
	}
	p := s.mustPubs(t, s.mustPubs(t, "", 0, 1).Epoch, marker, 0)
	var kept []uint64
	for _, pub := range p.Pubs {
		kept = append(kept, pub.Serial)
	}
	if !slices.Equal(kept, sent) || p.Next != sent[len(sent)-1]+1 {
		t.Errorf("journal %v\nwire %v, next %d", kept, sent, p.Next)
	}
}

// TestMissedPubs_taps: an id of saltern_taps may ask, without being a syndic, and gets the frames that were published; who does
// not ask for frames gets none.
func TestMissedPubs_taps(t *testing.T) {
	m := mastertest.Start(t, func(c *config.Master) { c.OrderMasters, c.Taps = true, []string{"tap1"} })
	tap, other := newSyndic(t, m, "tap1", 3), newSyndic(t, m, "m1", 3)
	for range 3 {
		mustPublish(t, m, ping("*"))
	}
	if _, err := other.pubs(t, wire.PubsRequest{Frames: true}); !errors.Is(err, wire.ErrNotServed) {
		t.Errorf("another minion: %v", err)
	}
	reply, err := tap.pubs(t, wire.PubsRequest{Frames: true})
	if err != nil || len(reply.Pubs) != 3 {
		t.Fatalf("%+v, %v", reply, err)
	}
	again, err := tap.pubs(t, wire.PubsRequest{Frames: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range reply.Pubs {
		env, err := wire.ParsePubEnvelope(p.Frame)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := tap.Shared.Open(nil, env.Load)
		if load, ok := wire.SplitPlain(plain); err != nil || !ok || !bytes.Equal(load, p.Load) {
			t.Errorf("%d: frame of another publication: %v", i, err)
		}
		if !bytes.Equal(p.Frame, again.Pubs[i].Frame) {
			t.Errorf("%d: another frame the second time", i)
		}
	}
	if plain := tap.mustPubs(t, "", 0, 0); len(plain.Pubs) != 3 || plain.Pubs[0].Frame != nil {
		t.Errorf("without asking: %+v", plain)
	}
	if n := len(m.Master.Stats().Syndics); n != 0 {
		t.Errorf("the tap is one of %d syndics", n)
	}
}

package wire

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
)

func TestPubs_roundTrip(t *testing.T) {
	req := PubsRequest{ID: "syn1", Epoch: "00112233445566778899aabbccddeeff", After: 1 << 40, Max: 500, Frames: true}
	load := req.AppendLoad(nil, Proof{Nonce: "n", TS: 5, Tok: []byte{1, 2}})
	got, err := ParsePubsRequest(load)
	if err != nil || got != req {
		t.Fatalf("%+v %v", got, err)
	}
	if l, refusal := ParseLoad(load); refusal != nil || l.Cmd != CmdSalternPubs || l.ID != "syn1" || !bytes.Equal(l.Tok, []byte{1, 2}) {
		t.Fatalf("%+v %q", l, refusal)
	}
	pub, err := Encode(NewMap("fun", "test.ping", "arg", []any{}, "tgt", "*", "jid", "1", "serial", 3), Wire)
	if err != nil {
		t.Fatal(err)
	}
	reply := PubsReply{
		Epoch: req.Epoch, Next: 4, Trimmed: true, More: true, Now: 1795182053999,
		Pubs: []KeptPub{{Epoch: req.Epoch, Serial: 3, T: 1795182053834, Load: pub}},
	}
	back, err := ParsePubsReply(reply.Append(nil))
	if err != nil || !reflect.DeepEqual(back, reply) {
		t.Fatalf("%+v %v", back, err)
	}
	if p, err := ParsePublication(back.Pubs[0].Load); err != nil || p.Serial != 3 {
		t.Fatalf("%+v %v", p, err)
	}
}

func TestSaltern_notServed(t *testing.T) {
	if _, err := ParsePubsReply([]byte{0x80}); !errors.Is(err, ErrNotServed) {
		t.Error(err)
	}
	if _, err := ParseInventoryReply([]byte{0x80}); !errors.Is(err, ErrNotServed) {
		t.Error(err)
	}
}

func TestPubs_badFields(t *testing.T) {
	for name, m := range map[string]*Map{
		"negative serial": NewMap("after", -1),
		"text serial":     NewMap("after", "5"),
		"long epoch":      NewMap("epoch", string(make([]byte, EpochLen+1))),
		"number epoch":    NewMap("epoch", 5),
		"negative max":    NewMap("max", -5),
	} {
		raw, err := Encode(m, Wire)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePubsRequest(raw); !errors.Is(err, ErrField) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, m := range map[string]*Map{
		"no epoch":     NewMap("next", 1),
		"no next":      NewMap("epoch", "e"),
		"pub no map":   NewMap("epoch", "e", "next", 1, "pubs", []any{1}),
		"pub no load":  NewMap("epoch", "e", "next", 1, "pubs", []any{NewMap("epoch", "e", "serial", 1)}),
		"trimmed text": NewMap("epoch", "e", "next", 1, "trimmed", "yes"),
	} {
		raw, err := Encode(m, Wire)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePubsReply(raw); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestInventory_roundTrip(t *testing.T) {
	for _, req := range []InventoryRequest{
		{ID: "syn1", Full: true, Seq: 7, Add: []string{"m1", "m2"}, Del: []string{}, Below: NewMap("syn2", true, "syn3", false)},
		{ID: "syn1", Seq: 8, Add: []string{}, Del: []string{"m1"}},
	} {
		load, err := req.AppendLoad(nil, Proof{Nonce: "n"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseInventoryRequest(load)
		if err != nil || !reflect.DeepEqual(got, req) {
			t.Errorf("%+v %v", got, err)
		}
	}
	reply := InventoryReply{Seq: 9, WantFull: true}
	if got, err := ParseInventoryReply(reply.Append(nil)); err != nil || got != reply {
		t.Errorf("%+v %v", got, err)
	}
	raw, err := Encode(NewMap("add", []any{"a", 1}), Wire)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseInventoryRequest(raw); !errors.Is(err, ErrField) {
		t.Errorf("a number as id: %v", err)
	}
}

func TestOrigin_itemKeepsIt(t *testing.T) {
	want := Origin{ID: "syn1", N: 1795182053834000001, Path: []string{"syn1", "syn2"}, Copy: true}
	raw, err := Encode(want.Map(), Wire)
	if err != nil {
		t.Fatal(err)
	}
	req := MinionEventRequest{ID: "syn2", Pretag: "syndic/syn2", Events: []EventItem{{Tag: "a/b", Data: []byte{0x80}, Origin: raw}}}
	load, err := req.AppendLoad(nil, Proof{})
	if err != nil {
		t.Fatal(err)
	}
	ev, err := ParseMinionEvent(load)
	if err != nil || len(ev.Events) != 1 {
		t.Fatalf("%+v %v", ev, err)
	}
	tree, err := Decode(ev.Events[0].Origin, Wire, LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseOrigin(tree); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestOrigin_refusesWhatIsNone(t *testing.T) {
	long := slices.Repeat([]any{"x"}, MaxPath+1)
	for name, v := range map[string]any{
		"text": "syn1", "no id": NewMap("n", int64(1)), "no number": NewMap("id", "a", "n", "1"), "missing number": NewMap("id", "a"),
		"long path": NewMap("id", "a", "n", int64(1), "path", long), "path of numbers": NewMap("id", "a", "n", int64(1), "path", []any{int64(1)}),
	} {
		if o, err := ParseOrigin(v); err == nil {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if _, err := ParsePath(long); !errors.Is(err, ErrPath) {
		t.Error(err)
	}
	if p, err := ParsePath(nil); p != nil || err != nil {
		t.Error(p, err)
	}
}

func TestPublishReply_marks(t *testing.T) {
	r := PublishReply{JID: "1", Minions: []string{"a"}, Missing: []string{}, Complete: true, Repeated: true}
	if got, err := ParsePublishReply(r.Append(nil)); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v %v", got, err)
	}
	r.Complete, r.Repeated = false, false
	m, err := DecodeMap(r.Append(nil), Wire, OuterLimits)
	if err != nil || m.Map("load").Len() != 3 {
		t.Errorf("marks that do not hold are written: %v", err)
	}
}

func FuzzSaltern(f *testing.F) {
	f.Add(PubsRequest{ID: "syn1", Epoch: "e", After: 3}.AppendLoad(nil, Proof{Nonce: "n"}))
	f.Add(PubsReply{Epoch: "e", Next: 4, Pubs: []KeptPub{{Epoch: "e", Serial: 3, Load: []byte{0x80}, Frame: []byte{1}}}}.Append(nil))
	if load, err := (InventoryRequest{ID: "s", Add: []string{"a"}, Below: NewMap("b", true)}).AppendLoad(nil, Proof{}); err == nil {
		f.Add(load)
	}
	f.Add(InventoryReply{Seq: 1}.Append(nil))
	if raw, err := Encode(Origin{ID: "a", N: 1, Path: []string{"b"}}.Map(), Wire); err == nil {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParsePubsRequest(b); err == nil {
			if again, err := ParsePubsRequest(r.AppendLoad(nil, Proof{})); err != nil || again != r {
				t.Fatalf("%+v %+v %v", r, again, err)
			}
		}
		if r, err := ParsePubsReply(b); err == nil {
			if again, err := ParsePubsReply(r.Append(nil)); err != nil || len(again.Pubs) != len(r.Pubs) {
				t.Fatalf("%+v %v", again, err)
			}
		}
		if r, err := ParseInventoryRequest(b); err == nil {
			if load, err := r.AppendLoad(nil, Proof{}); err == nil {
				if again, err := ParseInventoryRequest(load); err != nil || len(again.Add) != len(r.Add) || again.Seq != r.Seq {
					t.Fatalf("%+v %v", again, err)
				}
			}
		}
		_, _ = ParseInventoryReply(b)
		if v, err := Decode(b, Wire, LoadLimits); err == nil {
			if o, err := ParseOrigin(v); err == nil {
				if again, err := ParseOrigin(o.Map()); err != nil || again.N != o.N {
					t.Fatalf("%+v %v", again, err)
				}
			}
		}
	})
}

package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// syndicPlaintexts returns the requests in a syndic vector file.
func syndicPlaintexts(t testing.TB, name string) [][]byte {
	t.Helper()
	var v map[string]any
	loadVectors(t, name, &v)
	var out [][]byte
	for _, e := range v {
		list, _ := e.([]any)
		for _, x := range list {
			m, _ := x.(map[string]any)
			if s, ok := m["plaintext_hex"].(string); ok {
				payload, ok := SplitPlain(unhex(t, s))
				if !ok {
					t.Fatal("request without marker")
				}
				out = append(out, payload)
			}
		}
	}
	return out
}

// proofOf reads the proof from a load; withID where the id belongs to it.
func proofOf(t testing.TB, load []byte) Proof {
	t.Helper()
	m, err := DecodeMap(load, Wire, LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	p := Proof{ID: m.Str("id"), Nonce: m.Str("nonce"), TS: m.Int("ts")}
	if m.Has("tok") {
		p.Tok = m.Bytes("tok")
	}
	return p
}

func TestSyndicReturn_vectors(t *testing.T) {
	loads := syndicPlaintexts(t, "syndic-return.json")
	if len(loads) != 8 {
		t.Fatalf("%d requests", len(loads))
	}
	for _, l := range loads {
		list, err := ParseSyndicReturns(l)
		if err != nil || len(list) == 0 {
			t.Fatalf("%v, %v", list, err)
		}
		if out := AppendSyndicReturns(nil, list, proofOf(t, l)); !bytes.Equal(out, l) {
			t.Errorf("%x\nwant %x", out, l)
		}
		for _, s := range list {
			if len(s.Minions) == 0 || s.Load == nil {
				t.Errorf("%+v", s)
			}
			for _, m := range s.Minions {
				r, err := ParseReturn(s.AppendReturn(nil, m))
				if err != nil || r.ID != m.ID || r.JID != s.JID || r.FunName() == "" {
					t.Errorf("%+v, %v", r, err)
				}
			}
		}
	}
}

func TestSyndicReturn_casesFireWhatStockFires(t *testing.T) {
	loads, _ := wireLoads(t, CmdSyndicReturn)
	for _, l := range loads {
		list, err := ParseSyndicReturns(l)
		if err != nil || len(list) == 0 {
			t.Fatalf("%x: %v, %v", l, list, err)
		}
		for _, s := range list {
			for _, m := range s.Minions {
				r, err := ParseReturn(s.AppendReturn(nil, m))
				if err != nil {
					t.Fatal(err)
				}
				d, err := DecodeMap(r.AppendEventData(nil, "x"), Local, LoadLimits)
				if err != nil || d.Has("cmd") || d.Str("_stamp") != "x" {
					t.Fatalf("%v, %v", d, err)
				}
			}
		}
	}
}

func TestSyndicReturn_partCannotSpeakForOthers(t *testing.T) {
	part, err := Encode(NewMap("id", "victim", "jid", "2", "tok", []byte("t"), "return", 1, "out", "inner", "out2", 1), Wire)
	if err != nil {
		t.Fatal(err)
	}
	s := SyndicReturn{
		ID: "syn", JID: "1", Fun: []byte("\xa1f"), MasterID: "top", Out: []byte("\xa5outer"),
		Minions: []MinionReturn{{"m1", part}},
	}
	list, err := ParseSyndicReturns(AppendSyndicReturns(nil, []SyndicReturn{s}, Proof{}))
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	out := list[0].AppendReturn(nil, list[0].Minions[0])
	r, err := ParseReturn(out)
	if err != nil || r.ID != "m1" || r.JID != "1" || r.Tok != nil || r.MasterID != "top" {
		t.Fatalf("%+v, %v", r, err)
	}
	if got, _ := Str(r.Out); got != "outer" {
		t.Errorf("out is %q", got)
	}
	m, err := DecodeMap(out, Wire, LoadLimits)
	if err != nil || m.Len() != 7 {
		t.Errorf("%v, %v", m, err)
	}
}

func TestParseSyndicReturns_skipsIncomplete(t *testing.T) {
	full := NewMap("id", "s", "jid", "1", "return", NewMap("m", NewMap("return", 1), "bad", 5, 7, NewMap()))
	load, err := Encode(NewMap("load", []any{
		NewMap("jid", "1", "return", NewMap()), NewMap("id", "s", "return", NewMap()), NewMap("id", "s", "jid", "1"),
		NewMap("id", 5, "jid", "1", "return", NewMap()), "text", nil, full,
	}), Wire)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseSyndicReturns(load)
	if err != nil || len(list) != 1 || len(list[0].Minions) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	single, err := Encode(full, Wire)
	if err != nil {
		t.Fatal(err)
	}
	if list, err = ParseSyndicReturns(single); err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
}

func TestMinionEvent_vectors(t *testing.T) {
	loads := syndicPlaintexts(t, "syndic-events.json")
	more, _ := wireLoads(t, CmdMinionEvent)
	loads = append(loads, more...)
	same := 0
	for _, l := range loads {
		e, err := ParseMinionEvent(l)
		if err != nil {
			t.Fatalf("%x: %v", l, err)
		}
		req := MinionEventRequest{ID: e.ID, Pretag: e.Pretag, Tag: e.Tag}
		if e.HasEvents {
			req.Events = e.Events
		} else if e.Data != nil {
			req.Data = Raw(e.Data)
		}
		out, err := req.AppendLoad(nil, proofOf(t, l))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(out, l) {
			same++
		}
		if e.HasEvents {
			for _, item := range e.Events {
				b, ok := item.AppendEventData(nil, "now")
				if m, err := DecodeMap(b, Local, LoadLimits); !ok || err != nil || m.Str("_stamp") != "now" {
					t.Errorf("%v %v %v", m, ok, err)
				}
			}
			continue
		}
		m, err := DecodeMap(e.AppendEventData(nil, "now"), Local, LoadLimits)
		if err != nil || m.Has("tok") || m.Has("nonce") || m.Str("_stamp") != "now" || m.Str("tag") != e.Tag {
			t.Errorf("%v, %v", m, err)
		}
	}
	t.Logf("%d of %d byte for byte, the others are hand-made", same, len(loads))
	if same < 25 {
		t.Errorf("only %d of %d byte for byte", same, len(loads))
	}
}

func TestMinionEvent_itemsAndMinions(t *testing.T) {
	load, err := Encode(NewMap("id", "syn", "pretag", "syndic/syn", "events", []any{
		NewMap("tag", "a", "data", NewMap("jid", "1", "minions", []any{"x", 5, "y"})),
		NewMap("tag", "b"), NewMap("data", NewMap()), "text", NewMap("tag", "c", "data", "text"), NewMap("tag", 5),
	}), Wire)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseMinionEvent(load)
	if err != nil || !e.HasPretag || !e.HasEvents || len(e.Events) != 3 {
		t.Fatalf("%+v, %v", e, err)
	}
	jid, minions, ok := e.Events[0].Minions()
	if !ok || jid != "1" || !slices.Equal(minions, []string{"x", "y"}) {
		t.Errorf("%q %v %v", jid, minions, ok)
	}
	if _, _, ok := e.Events[1].Minions(); ok {
		t.Error("an item without data announces minions")
	}
	if b, ok := e.Events[1].AppendEventData(nil, "s"); !ok || !bytes.Contains(b, []byte("tag")) {
		t.Errorf("%x %v", b, ok)
	}
	if _, ok := e.Events[2].AppendEventData(nil, "s"); ok {
		t.Error("data that are no map can be fired")
	}
}

func TestTagFilters(t *testing.T) {
	const jid = "20260101000000000001"
	tests := []struct {
		tag             string
		stock, reserved bool
	}{
		{"salt/job/" + jid + "/publish", true, true},
		{"salt/job/" + jid + "/new", true, true},
		{"salt/job/a/b/return", true, true},
		{"salt/job//new", true, true},
		{"salt/job/new", false, false},
		{"salt/key", true, true},
		{"salt/keys", false, false},
		{"salt/cloud/", true, true},
		{"salt/run/1/ret", true, true},
		{"salt/cluster/x", true, true},
		{"salt/wheel/1/new", true, true},
		{"salt/wheel/1/return", true, true},
		{"salt/wheel/1/ret", false, true},
		{"salt/job/" + jid + "/ret/m1", false, true},
		{"salt/auth", false, true},
		{jid, false, true},
		{jid + "_12", false, true},
		{jid + "1", false, false},
		{jid[:19], false, false},
		{"salt/minion/m1/start", false, false},
		{"my/app/tag", false, false},
		{"", false, false},
	}
	for _, tt := range tests {
		if got := TagDropped(tt.tag); got != tt.stock {
			t.Errorf("TagDropped(%q) = %v", tt.tag, got)
		}
		if got := TagReserved(tt.tag); got != tt.reserved {
			t.Errorf("TagReserved(%q) = %v", tt.tag, got)
		}
	}
	if TagDropped(strings.Repeat("salt/job/", 1000)) {
		t.Error("long tag")
	}
}

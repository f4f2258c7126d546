package wire

import (
	"bytes"
	"testing"
)

// seed adds captured values whose origin satisfies want, at most 200, and the short bombs.
func seed(f *testing.F, want func(span) bool) {
	f.Helper()
	n := 0
	for _, s := range capturedSpans(f) {
		if len(s.data) < 4096 && n < 200 && want(s) {
			f.Add(s.data)
			n++
		}
	}
	for _, b := range bombs() {
		if len(b) < 64 {
			f.Add(b)
		}
	}
}

// hasKey selects maps with a top-level key.
func hasKey(key string) func(span) bool {
	return func(s span) bool { _, ok := Field(s.data, key); return ok && s.mode == Wire }
}

// isCmd selects loads of a command.
func isCmd(cmd string) func(span) bool {
	return func(s span) bool {
		raw, _ := Field(s.data, "cmd")
		return string(rawText(raw)) == cmd
	}
}

func anySpan(span) bool { return true }

func FuzzCheck(f *testing.F) {
	seed(f, anySpan)
	f.Fuzz(func(t *testing.T, b []byte) {
		scanUnchecked(b)
		if Check(b, LoadLimits) != nil {
			return
		}
		if end := skip(b, 0); end != len(b) {
			t.Fatalf("skip ends at %d of %d", end, len(b))
		}
		if Check(b, Limits{Depth: 3, Items: 10}) == nil && Check(b, OuterLimits) != nil {
			t.Fatal("wider limits refuse what narrower ones take")
		}
	})
}

func FuzzDecode(f *testing.F) {
	seed(f, anySpan)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []Mode{Wire, Local} {
			v, err := Decode(b, m, LoadLimits)
			if err != nil {
				return
			}
			one, err := Encode(v, m)
			if err != nil {
				t.Fatal(err)
			}
			v2, err := Decode(one, m, LoadLimits)
			if err != nil {
				t.Fatalf("own encoding is refused: %v", err)
			}
			two, err := Encode(v2, m)
			if err != nil || !bytes.Equal(one, two) {
				t.Fatalf("%x\n%x (%v)", one, two, err)
			}
			if !bytes.Equal(Transcode(nil, one, m), one) {
				if m == Wire { // in Local mode bin may hold text and str may not
					t.Fatalf("Transcode changes %x", one)
				}
			}
		}
	})
}

func FuzzTranscode(f *testing.F) {
	seed(f, anySpan)
	f.Fuzz(func(t *testing.T, b []byte) {
		if Check(b, LoadLimits) != nil {
			return
		}
		for _, m := range []Mode{Wire, Local} {
			out := Transcode(nil, b, m)
			if err := Check(out, LoadLimits); err != nil {
				t.Fatal(err)
			}
			// A tree drops repeated keys, so compare trees.
			direct, err := Encode(decodeChecked(b, Wire), m)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Encode(decodeChecked(out, m), m)
			if err != nil || !bytes.Equal(direct, again) {
				t.Fatalf("%x\n%x (%v)", direct, again, err)
			}
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	seed(f, hasKey("enc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, ref := ParseEnvelope(b)
		if ref != nil {
			if Check(ref, OuterLimits) != nil {
				t.Fatal("a refusal is malformed")
			}
			return
		}
		e2, ref := ParseEnvelope(e.Append(nil))
		if ref != nil || e.Enc != e2.Enc || e.Level != e2.Level || e.ID != e2.ID || !bytes.Equal(e.Load, e2.Load) {
			t.Fatalf("%+v\n%+v %v", e, e2, ref)
		}
	})
}

func FuzzLoad(f *testing.F) {
	seed(f, hasKey("cmd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, ref := ParseLoad(b)
		if ref != nil {
			if Check(ref, OuterLimits) != nil || len(ref) > 256 {
				t.Fatal("a refusal is malformed or long")
			}
			return
		}
		if len(l.Nonce) > maxNonce || len(l.Tok) > maxTok || bytes.IndexByte([]byte(l.ID), 0) >= 0 {
			t.Fatalf("%+v", l)
		}
	})
}

func FuzzAuthRequest(f *testing.F) {
	seed(f, isCmd(CmdAuth))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseAuthRequest(b, 3)
		if err != nil {
			return
		}
		out, err := r.AppendEnvelope(nil)
		if err != nil {
			t.Fatal(err)
		}
		e, ref := ParseEnvelope(out)
		if ref != nil {
			return // grains may nest deeper once they are in the envelope
		}
		r2, err := ParseAuthRequest(e.Load, e.Level)
		if err != nil || r.ID != r2.ID || r.Pub != r2.Pub || r.Nonce != r2.Nonce || !bytes.Equal(r.Token, r2.Token) {
			t.Fatalf("%+v\n%+v %v", r, r2, err)
		}
	})
}

func FuzzAuthReply(f *testing.F) {
	for _, v := range authVectors(f) {
		f.Add(unhex(f, v.ReplyHex))
	}
	f.Add([]byte(AuthBadEncAlgo))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseAuthReply(b)
		if err == nil && (r.Accept != nil) == (r.Ret != nil) {
			t.Fatalf("%+v", r)
		}
		if err == nil && r.Accept != nil {
			if a, err := parseAccept(r.Accept.AppendWire(nil)); err != nil || a.PublishPort != r.Accept.PublishPort {
				t.Fatalf("%+v %v", a, err)
			}
		}
	})
}

func FuzzPublication(f *testing.F) {
	frames, loads := publications(f)
	for i := range loads {
		f.Add(frames[i])
		f.Add(loads[i])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParsePubEnvelope(b); err == nil {
			e2, err := ParsePubEnvelope(AppendPubEnvelope(nil, e.Load, e.SigAlgo, e.Sig))
			if err != nil || !bytes.Equal(e.Load, e2.Load) || !bytes.Equal(e.Sig, e2.Sig) {
				t.Fatalf("%+v\n%+v %v", e, e2, err)
			}
		}
		p, err := ParsePublication(b)
		if err != nil {
			return
		}
		one, err := p.AppendLoad(nil)
		if err != nil {
			t.Fatal(err)
		}
		if sortedMap(t, one) != sortedMap(t, b) && p.hasRet(b) {
			t.Fatalf("keys are lost: %x\n%x", one, b)
		}
		p2, err := ParsePublication(one)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := p2.AppendLoad(nil); err != nil || !bytes.Equal(one, two) {
			t.Fatalf("%x\n%x %v", one, two, err)
		}
	})
}

// hasRet tells whether the load has the ret that AppendLoad always writes.
func (p *Publication) hasRet(load []byte) bool {
	_, ok := Field(load, "ret")
	return ok
}

func FuzzPublishRequest(f *testing.F) {
	seed(f, isCmd(CmdPublish))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParsePublishRequest(b)
		if err != nil {
			return
		}
		one, err := r.AppendLoad(nil)
		if err != nil {
			t.Fatal(err)
		}
		r2, err := ParsePublishRequest(one)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := r2.AppendLoad(nil); err != nil || !bytes.Equal(one, two) {
			t.Fatalf("%x\n%x %v", one, two, err)
		}
	})
}

func FuzzPublishReply(f *testing.F) {
	seed(f, hasKey("load"))
	f.Add([]byte(AuthenticationError))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParsePublishReply(b)
		if err != nil {
			return
		}
		if err := Check(r.Append(nil), OuterLimits); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzReturn(f *testing.F) {
	seed(f, isCmd(CmdReturn))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseReturn(b)
		if err != nil {
			return
		}
		ev, err := DecodeMap(r.AppendEventData(nil, "stamp"), Local, LoadLimits)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Has("tok") || ev.Has("nonce") || ev.Str("_stamp") != "stamp" || ev.Str("id") != r.ID || ev.Str("jid") != r.JID {
			t.Fatalf("%v", ev)
		}
		r2, err := ParseReturn(r.RewriteRequested(nil, "1"))
		if err != nil || r2.JID != "1" || r2.ID != r.ID {
			t.Fatalf("%+v %v", r2, err)
		}
	})
}

func FuzzSyndicReturn(f *testing.F) {
	seed(f, isCmd(CmdSyndicReturn))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ParseSyndicReturns(b)
		if err != nil {
			return
		}
		for i := range list {
			for _, m := range list[i].Minions {
				r, err := ParseReturn(list[i].AppendReturn(nil, m))
				if err == nil && (r.ID != m.ID || r.JID != list[i].JID || r.Tok != nil) {
					t.Fatalf("%+v", r)
				}
			}
		}
		one := AppendSyndicReturns(nil, list, Proof{})
		if Check(one, LoadLimits) != nil {
			return // one level deeper than the single form was
		}
		again, err := ParseSyndicReturns(one)
		if err != nil || len(again) != len(list) {
			t.Fatalf("%d of %d elements: %v", len(again), len(list), err)
		}
		if two := AppendSyndicReturns(nil, again, Proof{}); !bytes.Equal(one, two) {
			t.Fatalf("%x\n%x", one, two)
		}
	})
}

func FuzzMinionEvent(f *testing.F) {
	seed(f, isCmd(CmdMinionEvent))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseMinionEvent(b)
		if err != nil {
			return
		}
		ev, err := DecodeMap(e.AppendEventData(nil, "stamp"), Local, LoadLimits)
		if err != nil || ev.Has("tok") || ev.Str("_stamp") != "stamp" {
			t.Fatalf("%v %v", ev, err)
		}
		for i := range e.Events {
			if out, ok := e.Events[i].AppendEventData(nil, "stamp"); ok {
				if err := Check(out, LoadLimits); err != nil {
					t.Fatal(err)
				}
			}
			TagReserved(e.Events[i].Tag)
		}
	})
}

func FuzzPillar(f *testing.F) {
	seed(f, isCmd(CmdPillar))
	seed(f, hasKey("pillar"))
	seed(f, hasKey("data"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParsePillarRequest(b); err == nil {
			if err := Check(r.AppendLoad(nil, Proof{}), LoadLimits); err != nil {
				t.Fatal(err)
			}
		}
		if d, err := ParsePrivateData(b); err == nil {
			d2, err := ParsePrivateData(d.Append(nil))
			if err != nil || d.Nonce != d2.Nonce || !bytes.Equal(d.Pillar, d2.Pillar) {
				t.Fatalf("%+v %v", d2, err)
			}
		}
		_, _ = ParsePrivateReply(b)
		_, _ = ParsePrivateBox(b)
	})
}

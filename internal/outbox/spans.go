package outbox

// spans are ranges of seqs of one lane, in order. Every item of the lane within a span is dropped, and stays on disk
// until the group is committed. Items that were handed out stand between them.
type spans []span

type span struct{ first, last uint64 }

// add notes that the item seq, the next one after held and after what was dropped, goes.
func (s *spans) add(seq, held uint64) {
	if n := len(*s); n > 0 && (*s)[n-1].last > held {
		(*s)[n-1].last = seq
		return
	}
	*s = append(*s, span{seq, seq})
}

// end is the last seq of the last span.
func (s spans) end() uint64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].last
}

// find returns the end of the span that seq lies in.
func (s spans) find(seq uint64) (last uint64, ok bool) {
	for i := len(s) - 1; i >= 0 && s[i].last >= seq; i-- {
		if s[i].first <= seq {
			return s[i].last, true
		}
	}
	return 0, false
}

// forget drops the spans that nobody can look for any more: those up to seq.
func (s *spans) forget(seq uint64) {
	n := 0
	for n < len(*s) && (*s)[n].last <= seq {
		n++
	}
	*s = append((*s)[:0], (*s)[n:]...)
}

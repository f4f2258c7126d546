package relay

import (
	"context"
	"time"
)

// Reasons for which a publication is reported instead of delivered; values of the label reason in the metrics.
const (
	ReasonAge     = "age"     // older than replay_max_age
	ReasonEpoch   = "epoch"   // sealed with a key that is over: a syndic can only sign in anew because of it
	ReasonGap     = "gap"     // not in the stream
	ReasonLate    = "late"    // later ones went out over the direct link, and a stock syndic drops older serials
	ReasonRefused = "refused" // the sink does not take it
	ReasonUnread  = "unread"  // handed to a subscription that ended, perhaps before it was read, and not to be sent again
)

// Missed is a report: publications that were not delivered and will not be.
type Missed struct {
	MoM    string
	Count  uint64 // 0 = nobody knows how many, if any
	Reason string
	Text   string    // the reason in words
	ID     string    // in the stream: of the publication, or of the first one behind the gap
	Tap    string    // whose entries are missing
	Serial uint64    // 0 = not known
	JID    string    // "" = not known: only a sink that opens entries knows
	Time   time.Time // of its receipt by the tap, or of the entry behind the gap

	epoch string // name of the key, "" = not known
	last  uint64 // serial of the last one that is missing
}

// gapOf reports entries that are missing in front of one.
func gapOf(e *Entry, n uint64, trimmed bool) Missed {
	text := "the tap gave them up, or Redis lost them"
	if trimmed {
		text = "the stream was trimmed before they were read"
	}
	return Missed{MoM: e.MoM, Count: n, Reason: ReasonGap, Text: text, ID: e.ID, Tap: e.Tap, Serial: e.Serial, Time: e.Time}
}

// deafness reports what a tap says it missed.
func deafness(e *Entry) Missed {
	m := Missed{MoM: e.MoM, Reason: ReasonGap, ID: e.ID, Tap: e.Tap, Time: e.Time}
	if e.Epoch != "" {
		m.Count, m.Serial, m.Text = e.GapTo-e.GapFrom+1, e.GapFrom, "the tap missed these serials"
		m.epoch, m.last = e.Epoch, e.GapTo
		return m
	}
	m.Text = "the tap did not hear the master for " + (time.Duration(e.GapTo-e.GapFrom) * time.Millisecond).Round(time.Millisecond).String()
	return m
}

// maxFilled bounds the serials of a gap that are looked for one by one.
const maxFilled = 10_000

// unfilled takes off a gap in the serials what another tap has brought, or has written by now; false when that is all.
func (f *Follower) unfilled(ctx context.Context, e *Entry, m *Missed) bool {
	if e.Epoch == "" || m.Count > maxFilled {
		return true
	}
	there := map[uint64]bool{}
	if behind, _, _, err := f.cfg.Log.Read(ctx, e.ID, readEntries, -1); err == nil { // else the whole gap is reported
		for i := range behind {
			if b := &behind[i]; b.MoM == e.MoM && b.Epoch == e.Epoch && b.Serial > 0 {
				there[b.Serial] = true
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for serial := e.GapFrom; serial <= e.GapTo; serial++ {
		one := Entry{MoM: e.MoM, Epoch: e.Epoch, Serial: serial}
		if _, seen := f.mem.seen(one.serialKey()); seen || there[serial] {
			m.Count--
		}
	}
	return m.Count > 0
}

// missed reports an entry that nobody wants to run any more.
func (e *Entry) missed(reason, text string) Missed {
	return Missed{MoM: e.MoM, Count: 1, Reason: reason, Text: text, ID: e.ID, Tap: e.Tap, Serial: e.Serial, Time: e.Time, epoch: e.Epoch, last: e.Serial}
}

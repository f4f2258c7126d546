package relay

import (
	"testing"
	"time"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// handing drives a handed by a clock of its own.
type handing struct {
	handed
	now time.Time
}

func (h *handing) out(n int, age time.Duration, epoch string) {
	for range n {
		frames := [][]byte{frame(int(h.next))}
		h.add(h.now, h.now.Add(-age), epoch, frames, zmtp.Encode(frames))
	}
}

func (h *handing) after(d time.Duration) { h.now = h.now.Add(d) }

func everything([]byte) bool { return true }

// TestHanded: who comes after somebody left gets what is young; the rest is counted, once.
func TestHanded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do     func(h *handing)
		knows  bool // the newcomer knows what it had
		again  int
		first  uint64
		unread uint64
	}{
		"nobody left":                  {do: func(h *handing) { h.out(3, 0, "") }, knows: true, again: 3},
		"left, the same process":       {do: func(h *handing) { h.out(3, 0, ""); h.leave(0, h.now) }, knows: true, again: 3},
		"left, another process":        {do: func(h *handing) { h.out(3, 0, ""); h.leave(0, h.now) }, unread: 3},
		"left having got some":         {do: func(h *handing) { h.out(3, 0, ""); h.leave(2, h.now) }, unread: 1},
		"left having got none":         {do: func(h *handing) { h.out(3, 0, ""); h.leave(3, h.now) }},
		"read long ago":                {do: func(h *handing) { h.out(3, 0, ""); h.after(handedTime + 1); h.leave(0, h.now) }},
		"left in time, followed late":  {do: func(h *handing) { h.out(3, 0, ""); h.leave(0, h.now); h.after(time.Hour) }, knows: true, first: 3, unread: 3},
		"handed on late, some too old": {do: func(h *handing) { h.out(2, time.Minute, ""); h.out(2, 0, ""); h.leave(0, h.now) }, knows: true, again: 2, first: 2, unread: 2},
		"under a former key":           {do: func(h *handing) { h.out(2, 0, "a"); h.out(1, 0, ""); h.out(1, 0, "b"); h.leave(0, h.now) }, knows: true, again: 2, first: 2, unread: 2},
		"more than there is room for":  {do: func(h *handing) { h.out(maxHanded+5, 0, ""); h.leave(0, h.now) }, knows: true, again: maxHanded, first: 5, unread: 5},
		"more than are counted":        {do: func(h *handing) { h.leave(0, h.now); h.out(1, 0, ""); h.leave(0, h.now); h.out(maxHandedOut, 0, "") }, unread: 1},
		"one by one, many left": {do: func(h *handing) {
			for i := range uint64(maxLeft + 4) {
				h.out(1, 0, "")
				h.leave(i, h.now)
			}
		}, unread: maxLeft + 4},
		"nobody got it": {do: func(h *handing) {
			h.out(2, 0, "")
			h.retract(1)
			h.leave(0, h.now)
		}, unread: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &handing{now: time.Unix(1_800_000_000, 0)}
			tc.do(h)
			if tc.knows {
				messages, first := h.again(h.now, time.Minute, everything)
				if len(messages) != tc.again || tc.again > 0 && first != tc.first {
					t.Errorf("%d again from %d, want %d from %d", len(messages), first, tc.again, tc.first)
				}
			}
			if unread := h.settle(tc.knows); unread != tc.unread {
				t.Errorf("%d unread, want %d", unread, tc.unread)
			}
			if unread := h.settle(false); unread != 0 {
				t.Errorf("%d unread the second time", unread)
			}
		})
	}
}

// TestHanded_twice: what was sent again is the newcomer's to read; when that leaves as well, it is sent once more, or counted.
func TestHanded_twice(t *testing.T) {
	t.Parallel()
	for _, knows := range []bool{true, false} {
		h := &handing{now: time.Unix(1_800_000_000, 0)}
		h.out(3, 30*time.Second, "")
		h.leave(0, h.now)
		h.after(time.Second)
		_, first := h.again(h.now, time.Minute, everything)
		if unread := h.settle(true); unread != 0 {
			t.Fatalf("%d unread", unread)
		}
		h.leave(first, h.now)
		want := uint64(3)
		if knows {
			if messages, _ := h.again(h.now, time.Minute, everything); len(messages) != 3 {
				t.Errorf("%d again", len(messages))
			}
			want = 0
		}
		if unread := h.settle(knows); unread != want {
			t.Errorf("knows %v: %d unread, want %d", knows, unread, want)
		}
	}
}

// TestHanded_replaced: the former subscription ends after the new one has begun. What was too old to be sent again is counted.
func TestHanded_replaced(t *testing.T) {
	t.Parallel()
	h := &handing{now: time.Unix(1_800_000_000, 0)}
	h.out(2, time.Minute, "")
	h.out(2, 0, "")
	h.again(h.now, time.Minute, everything)
	h.settle(true)
	by := h.next
	h.out(2, 0, "")
	if unread := h.replaced(0, by, h.now); unread != 2 {
		t.Errorf("%d unread, want 2", unread)
	}
	if h.retract(3) {
		t.Error("what was sent again went nowhere")
	}
}

// TestHanded_bounds: memory is bounded, whatever happens.
func TestHanded_bounds(t *testing.T) {
	t.Parallel()
	h := &handing{now: time.Unix(1_800_000_000, 0)}
	large := [][]byte{[]byte("syndic"), make([]byte, maxHandedBytes/4)}
	for range 10 {
		h.add(h.now, h.now, "", large, zmtp.Encode(large))
	}
	if h.bytes > maxHandedBytes || h.kept > 4 {
		t.Errorf("%d bytes, %d messages", h.bytes, h.kept)
	}
	h.leave(0, h.now)
	h.out(2*maxHandedOut, 0, "")
	if len(h.list) > maxHandedOut || h.kept > maxHanded {
		t.Errorf("%d known, %d messages", len(h.list), h.kept)
	}
	h.settle(false)
	h.after(2 * handedTime)
	h.out(1, 0, "")
	if len(h.list) != 1 || h.kept != 1 || h.bytes != len(frame(0)) {
		t.Errorf("%d known, %d messages, %d bytes", len(h.list), h.kept, h.bytes)
	}
}

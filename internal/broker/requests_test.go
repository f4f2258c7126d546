package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeConn is a connection that remembers what was sent over it.
type fakeConn struct {
	mu     sync.Mutex
	sent   [][]string
	fail   error
	closed bool
	came   chan struct{} // one token per message
}

func newFakeConn() *fakeConn { return &fakeConn{came: make(chan struct{}, 100)} }

func (c *fakeConn) Send(frames [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	var message []string
	for _, f := range frames {
		message = append(message, string(f))
	}
	c.sent = append(c.sent, message)
	c.came <- struct{}{}
	return nil
}

func (c *fakeConn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *fakeConn) messages() [][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

func (c *fakeConn) setFail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

// bench is a request side with one master.
type bench struct {
	*requests
	t      *testing.T
	master *fakeConn
	link   *uplink
}

func newBench(t *testing.T, flights, perPeer int) *bench {
	b := &bench{requests: newRequests(flights, 1<<20, perPeer, newContacts(10)), t: t, master: newFakeConn()}
	b.limits.hold.Store(int64(time.Minute))
	b.limits.forget.Store(int64(time.Minute))
	b.link = &uplink{to: b.master}
	b.up(b.link)
	t.Cleanup(b.balanced)
	return b
}

// balanced checks that every request is accounted for exactly once.
func (b *bench) balanced() {
	b.t.Helper()
	c := &b.count
	n, bytes, _ := b.inFlight()
	out := c.replied.Load() + c.refused.Load() + c.orphaned.Load() + c.forgotten.Load() + int64(n) + b.waiting.Load()
	if in := c.received.Load(); in != out {
		b.t.Errorf("received %d, accounted for %d", in, out)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.room.taken != b.flying.n || b.room.takenBytes != b.flying.bytes || n != b.flying.n || bytes != b.flying.bytes {
		b.t.Errorf("room %d (%d bytes), in flight %d (%d bytes)", b.room.taken, b.room.takenBytes, b.flying.n, b.flying.bytes)
	}
}

func (b *bench) ask(p *requester, frames ...string) {
	b.t.Helper()
	b.request(b.t.Context(), p, rawFrames(frames...))
}

// askInBackground asks and returns a channel that closes when the handling is over.
func (b *bench) askInBackground(ctx context.Context, p *requester, frames ...string) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.request(ctx, p, rawFrames(frames...))
	}()
	return done
}

func rawFrames(frames ...string) (raw [][]byte) {
	for _, f := range frames {
		raw = append(raw, []byte(f))
	}
	return raw
}

func routing(n uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte{0}, n))
}

// eventually polls a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func finished(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("not in time: end of a request")
	}
}

const badLoad = "\xa8bad load"

func TestRequests_framesPassUnchanged(t *testing.T) {
	b := newBench(t, 10, 10)
	one, two := newFakeConn(), newFakeConn()
	p1, p2 := b.opened(one), b.opened(two)
	b.ask(p1, "", "body", "further")
	b.ask(p2, "hop", "", "other")
	want := [][]string{{routing(1), "", "body", "further"}, {routing(2), "hop", "", "other"}}
	if d := cmp.Diff(want, b.master.messages()); d != "" {
		t.Errorf("to the master: %s", d)
	}
	b.reply(rawFrames(routing(2), "hop", "", "reply 2"))
	b.reply(rawFrames(routing(1), "", "reply 1", "x"))
	if d := cmp.Diff([][]string{{"", "reply 1", "x"}}, one.messages()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([][]string{{"hop", "", "reply 2"}}, two.messages()); d != "" {
		t.Error(d)
	}
	if n := b.count.replied.Load(); n != 2 {
		t.Errorf("%d replied", n)
	}
}

func TestRequests_lostMasterAnswersWhatIsInFlight(t *testing.T) {
	b := newBench(t, 10, 10)
	one, two := newFakeConn(), newFakeConn()
	p1, p2 := b.opened(one), b.opened(two)
	b.ask(p1, "", "a")
	b.ask(p2, "hop", "", "b")
	next := newFakeConn()
	other := &uplink{to: next}
	b.up(other) // takes over; what the first one has is still its own to answer
	b.ask(p1, "", "c")
	if n := b.down(b.link); n != 2 {
		t.Errorf("%d lost, want 2", n)
	}
	if d := cmp.Diff([][]string{{"", badLoad}}, one.messages()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([][]string{{"hop", "", badLoad}}, two.messages()); d != "" {
		t.Error(d)
	}
	b.reply(rawFrames(routing(1), "", "from the next"))
	if d := cmp.Diff([][]string{{"", badLoad}, {"", "from the next"}}, one.messages()); d != "" {
		t.Error(d)
	}
}

func TestRequests_heldUntilAMasterComes(t *testing.T) {
	b := newBench(t, 10, 10)
	b.down(b.link)
	conn := newFakeConn()
	done := b.askInBackground(t.Context(), b.opened(conn), "", "a")
	eventually(t, "wait for a master", func() bool { return b.waiting.Load() == 1 })
	b.up(&uplink{to: b.master})
	finished(t, done)
	if d := cmp.Diff([][]string{{routing(1), "", "a"}}, b.master.messages()); d != "" {
		t.Error(d)
	}
}

func TestRequests_refusedWithoutAMaster(t *testing.T) {
	b := newBench(t, 10, 10)
	b.limits.hold.Store(int64(5 * time.Millisecond))
	b.down(b.link)
	conn := newFakeConn()
	b.ask(b.opened(conn), "", "a")
	if d := cmp.Diff([][]string{{"", badLoad}}, conn.messages()); d != "" {
		t.Error(d)
	}
}

func TestRequests_masterThatTakesNothing(t *testing.T) {
	b := newBench(t, 10, 10)
	conn := newFakeConn()
	p := b.opened(conn)
	b.master.setFail(errors.New("full"))
	done := b.askInBackground(t.Context(), p, "", "a")
	eventually(t, "first try", func() bool { return b.waiting.Load() == 1 })
	b.master.setFail(nil)
	finished(t, done)
	if n := b.count.forwarded.Load(); n != 1 {
		t.Errorf("%d forwarded", n)
	}
	b.limits.hold.Store(int64(5 * time.Millisecond))
	b.master.setFail(errors.New("full"))
	b.ask(p, "", "b")
	if d := cmp.Diff([][]string{{"", badLoad}}, conn.messages()); d != "" {
		t.Error(d)
	}
}

// TestRequests_room: with room for two the third waits, and those who wait get it in their order.
func TestRequests_room(t *testing.T) {
	b := newBench(t, 2, 10)
	var done []<-chan struct{}
	for i := range 5 {
		p := b.opened(newFakeConn())
		done = append(done, b.askInBackground(t.Context(), p, "", fmt.Sprint(i)))
		if i < 2 {
			finished(t, done[i])
			continue
		}
		eventually(t, "place in the line", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.room.line) == i-1
		})
	}
	if n := len(b.master.messages()); n != 2 {
		t.Fatalf("%d forwarded, want 2", n)
	}
	for i := range 3 {
		b.reply(rawFrames(routing(uint64(i+1)), "", "ok"))
		finished(t, done[i+2])
		if got := b.master.messages()[i+2][2]; got != fmt.Sprint(i+2) {
			t.Errorf("forwarded %q, want %d", got, i+2)
		}
	}
}

func TestRequests_tooManyOfOneConnection(t *testing.T) {
	b := newBench(t, 10, 1)
	p := b.opened(newFakeConn())
	b.ask(p, "", "a")
	done := b.askInBackground(t.Context(), p, "", "b")
	other := b.opened(newFakeConn())
	b.ask(other, "", "c") // nobody else waits
	if n := len(b.master.messages()); n != 2 {
		t.Errorf("%d forwarded, want 2", n)
	}
	b.reply(rawFrames(routing(1), "", "ok"))
	finished(t, done)
}

func TestRequests_largerThanAllRoomPassesAlone(t *testing.T) {
	b := newBench(t, 10, 10)
	p := b.opened(newFakeConn())
	b.ask(p, "", string(make([]byte, 2<<20)))
	done := b.askInBackground(t.Context(), b.opened(newFakeConn()), "", "b")
	eventually(t, "wait", func() bool { return b.waiting.Load() == 1 })
	b.reply(rawFrames(routing(1), "", "ok"))
	finished(t, done)
}

func TestRequests_connectionGone(t *testing.T) {
	b := newBench(t, 10, 10)
	conn := newFakeConn()
	p := b.opened(conn)
	b.ask(p, "", "a")
	b.closed(p)
	b.reply(rawFrames(routing(1), "", "late"))
	if len(conn.messages()) != 0 || b.count.orphaned.Load() != 1 || b.count.stray.Load() != 1 {
		t.Errorf("sent %q, %d orphaned, %d stray", conn.messages(), b.count.orphaned.Load(), b.count.stray.Load())
	}
	if b.down(b.link) != 0 {
		t.Error("in flight after its connection was gone")
	}
}

// TestRequests_forgotten: what is forgotten is not answered here, as the real answer may still come.
func TestRequests_forgotten(t *testing.T) {
	b := newBench(t, 10, 10)
	now := time.Now()
	b.now = func() time.Time { return now }
	conn := newFakeConn()
	p := b.opened(conn)
	b.ask(p, "", "a")
	if n := b.forget(); n != 0 {
		t.Errorf("%d forgotten at once", n)
	}
	now = now.Add(61 * time.Second)
	if n := b.forget(); n != 1 || len(conn.messages()) != 0 {
		t.Errorf("%d forgotten, sent %q", n, conn.messages())
	}
	b.reply(rawFrames(routing(1), "", "late"))
	if d := cmp.Diff([][]string{{"", "late"}}, conn.messages()); d != "" || b.count.late.Load() != 1 {
		t.Errorf("%d late: %s", b.count.late.Load(), d)
	}
}

func TestRequests_malformed(t *testing.T) {
	b := newBench(t, 10, 10)
	p := b.opened(newFakeConn())
	b.ask(p, "no delimiter")
	b.ask(p, "none", "here")
	b.reply(rawFrames("short"))
	b.reply(rawFrames("not nine bytes", "", "x"))
	b.ask(p, "") // an empty request is the master's to judge
	if b.count.malformed.Load() != 2 || b.count.stray.Load() != 2 || len(b.master.messages()) != 1 {
		t.Errorf("%d malformed, %d stray, %d forwarded", b.count.malformed.Load(), b.count.stray.Load(), len(b.master.messages()))
	}
}

func TestRequests_unreadReplyEndsTheConnection(t *testing.T) {
	b := newBench(t, 10, 10)
	conn := newFakeConn()
	p := b.opened(conn)
	b.ask(p, "", "a")
	conn.setFail(errors.New("full"))
	b.reply(rawFrames(routing(1), "", "ok"))
	if !conn.closed || b.count.unread.Load() != 1 {
		t.Errorf("closed %v, %d unread", conn.closed, b.count.unread.Load())
	}
}

func TestRequests_stop(t *testing.T) {
	b := newBench(t, 1, 1)
	inFlight, line, own, late := newFakeConn(), newFakeConn(), newFakeConn(), newFakeConn()
	p := b.opened(inFlight)
	b.ask(p, "", "a")
	ctx, cancel := context.WithCancel(t.Context())
	waits := []<-chan struct{}{b.askInBackground(ctx, b.opened(line), "", "b"), b.askInBackground(ctx, p, "", "c")}
	eventually(t, "both wait", func() bool { return b.waiting.Load() == 2 })
	b.stop()
	done := b.askInBackground(ctx, b.opened(late), "", "d")
	b.reply(rawFrames(routing(1), "", "ok")) // what is in flight is answered by the master
	cancel()
	for _, w := range append(waits, done) {
		finished(t, w)
	}
	for _, c := range []*fakeConn{line, late} {
		if d := cmp.Diff([][]string{{"", badLoad}}, c.messages()); d != "" {
			t.Error(d)
		}
	}
	if d := cmp.Diff([][]string{{"", "ok"}, {"", badLoad}}, inFlight.messages()); d != "" && len(own.messages()) == 0 {
		t.Error(d)
	}
}

func TestRequests_lineEndsWithItsContext(t *testing.T) {
	b := newBench(t, 1, 1)
	b.ask(b.opened(newFakeConn()), "", "a")
	ctx, cancel := context.WithCancel(t.Context())
	var waits []<-chan struct{}
	for range 3 {
		waits = append(waits, b.askInBackground(ctx, b.opened(newFakeConn()), "", "b"))
	}
	eventually(t, "all wait", func() bool { return b.waiting.Load() == 3 })
	cancel()
	for _, w := range waits {
		finished(t, w)
	}
	b.reply(rawFrames(routing(1), "", "ok"))
	b.ask(b.opened(newFakeConn()), "", "c") // the room is whole
}

// TestRequests_manyAtOnce loses the link again and again under load; afterwards everything is accounted for.
func TestRequests_manyAtOnce(t *testing.T) {
	b := newBench(t, 8, 2)
	b.master = nil
	echo := func() *uplink { return &uplink{to: echoConn{b.requests}} }
	b.down(b.link)
	link := echo()
	b.up(link)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			p := b.opened(&fakeConn{came: make(chan struct{}, 1000)})
			for range 50 {
				b.ask(p, "", "x")
			}
			b.closed(p)
		})
	}
	stop := make(chan struct{})
	flips := sync.WaitGroup{}
	flips.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				b.down(link)
				link = echo()
				b.up(link)
			}
		}
	})
	wg.Wait()
	close(stop)
	flips.Wait()
	if got := b.count.received.Load(); got != 1000 {
		t.Errorf("%d received", got)
	}
}

// echoConn is a master that answers at once.
type echoConn struct{ r *requests }

func (e echoConn) Send(frames [][]byte) error { e.r.reply(frames); return nil }
func (e echoConn) Close()                     {}

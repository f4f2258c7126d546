package relay

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/redisdb/redistest"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport/zmtp"
)

// subscription is one of a syndic. What it gets counts as unread until somebody looks.
type subscription struct {
	mu   sync.Mutex
	got  []string
	conn *zmtp.Conn
}

func (s *subscription) Opened(*zmtp.Conn) error                   { return nil }
func (s *subscription) Subscribed(*zmtp.Conn, []byte, bool) error { return nil }
func (s *subscription) Closed(*zmtp.Conn, error)                  {}
func (s *subscription) Message(_ *zmtp.Conn, frames [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, string(frames[len(frames)-1]))
}

func subscribe(t *testing.T, o *Outlet, topics ...string) *subscription {
	t.Helper()
	s := &subscription{}
	var err error
	s.conn, err = zmtp.Dial(t.Context(), o.PublishAddr(), zmtp.Config{Role: zmtp.RoleSub, Handler: s, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.leave)
	for _, topic := range topics {
		if err := s.conn.Subscribe([]byte(topic)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *subscription) leave() {
	s.conn.Close()
	<-s.conn.Done()
}

func (s *subscription) want(t *testing.T, frames ...int) {
	t.Helper()
	await(t, "what is got", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.got) >= len(frames)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range frames {
		if len(s.got) != len(frames) || s.got[i] != string(frame(n)) {
			t.Fatalf("got %q, want %v", s.got, frames)
		}
	}
}

// asks sends the outlet a request, as a syndic does; there is no master to answer it.
func asks(t *testing.T, o *Outlet, body []byte) {
	t.Helper()
	heard := func() time.Time {
		o.pub.came.mu.Lock()
		defer o.pub.came.mu.Unlock()
		return o.pub.came.last
	}
	before := heard()
	c, err := zmtp.Dial(t.Context(), o.RequestAddr(), zmtp.Config{Role: zmtp.RoleDealer, Handler: &subscription{}, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Send([][]byte{{}, body})); err != nil {
		t.Fatal(err)
	}
	await(t, "the sign-in to pass", func() bool { return heard() != before })
	c.Close()
	<-c.Done()
}

// longAgo makes it long ago that somebody signed in.
func (n *newcomers) longAgo() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = n.last.Add(-time.Hour)
}

// handedOut is an outlet that some publications went out from, to a syndic that signed in long ago, and stop ends it. known says
// that the syndic's key is older than its process.
func handedOut(t *testing.T, maxAge time.Duration, known bool, frames ...int) (p *pen, out *Outlet, first *subscription, stop func()) {
	t.Helper()
	server := redistest.Start(t)
	s := newStage(t, server.Config())
	p = s.pen(server, "tap")
	out, stop = s.outlet(t.TempDir(), config.OutletStream, maxAge)
	asks(t, out, signIn(t, "syn1", "key", known))
	first = subscribe(t, out, "")
	await(t, "attached", attached(out))
	out.pub.came.longAgo()
	p.write(frames...)
	first.want(t, frames...)
	return p, out, first, stop
}

// TestOutlet_subscribedAnew: a stock syndic that closes its subscription and makes another one has lost what it had not read.
// It is sent again when it is sure that the syndic knows what it had, and reported when it is not.
func TestOutlet_subscribedAnew(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		signIn bool // before the second subscription
		first  bool // the syndic made its key in this life
		topics []string
		age    time.Duration // replay_max_age
		again  []int
		unread int64
	}{
		"the same process":              {topics: []string{""}, age: time.Minute, again: []int{0, 1, 2}},
		"the same with zmq_filtering":   {topics: []string{"broadcast", "syndic", "\x82"}, age: time.Minute, again: []int{0, 1, 2}},
		"perhaps another process":       {signIn: true, topics: []string{""}, age: time.Minute, unread: 3},
		"a syndic that knows its jobs":  {signIn: true, topics: []string{"", wire.TopicRepeats}, age: time.Minute, again: []int{0, 1, 2}},
		"the process that made the key": {first: true, topics: []string{""}, age: time.Minute, unread: 3},
		"too old":                       {topics: []string{""}, age: 5 * time.Second, unread: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, out, first, _ := handedOut(t, tc.age, !tc.first, 0, 1, 2)
			await(t, "all noted", func() bool { return out.follower.Stats().Delivered == 3 })
			if tc.age < time.Minute {
				until := time.Now().Add(tc.age)
				await(t, "they are old", func() bool { return time.Now().After(until) })
			}
			first.leave()
			await(t, "gone", func() bool { return out.pub.members() == 0 })
			if tc.signIn {
				asks(t, out, signIn(t, "syn1", "key", true))
			}
			second := subscribe(t, out, tc.topics...)
			await(t, "there", func() bool { return out.pub.members() == 1 })
			p.write(3)
			second.want(t, append(tc.again, 3)...)
			await(t, "reported", func() bool { return out.follower.Stats().Missed[ReasonUnread] == tc.unread })
			if st := out.Stats(); st.Resent != int64(len(tc.again)) {
				t.Errorf("%d sent again", st.Resent)
			}
		})
	}
}

// TestOutlet_subscribedBeside: the new subscription comes before the end of the former one is noticed.
func TestOutlet_subscribedBeside(t *testing.T) {
	t.Parallel()
	p, out, first, _ := handedOut(t, time.Minute, true, 0, 1)
	second := subscribe(t, out, "")
	await(t, "both there", func() bool { return out.pub.members() == 2 })
	p.write(2)
	second.want(t, 0, 1, 2)
	first.leave()
	await(t, "gone", func() bool { return out.pub.members() == 1 })
	out.pub.mu.Lock()
	left := len(out.pub.handed.left)
	out.pub.mu.Unlock()
	if missed := out.follower.Stats().Missed; left != 0 || len(missed) != 0 {
		t.Errorf("%d thought of as gone, %v", left, missed)
	}
}

// TestOutlet_unfollowed: what somebody had who left is reported when nobody comes after.
func TestOutlet_unfollowed(t *testing.T) {
	t.Parallel()
	_, out, first, stop := handedOut(t, time.Minute, true, 0, 1)
	first.leave()
	await(t, "gone", func() bool { return out.pub.members() == 0 })
	out.pub.unfollowed()
	if missed := out.follower.Stats().Missed[ReasonUnread]; missed != 2 {
		t.Errorf("%d reported, want 2", missed)
	}
	second := subscribe(t, out, "")
	second.want(t, 0, 1)
	stop() // what is in the kernel's buffers still arrives: nothing to be reported
	if missed := out.follower.Stats().Missed[ReasonUnread]; missed != 2 {
		t.Errorf("%d reported, want 2", missed)
	}
}

package relay

import (
	"time"

	"github.com/saltern-io/saltern/transport"
)

// follow takes the direct link, until it ends.
func (o *Outlet) follow(sub *transport.Subscriber) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	links := sub.Links()
	for {
		select {
		case e, ok := <-links:
			if !ok {
				links = nil
				continue
			}
			o.linkChanged(e)
			continue
		default: // a cut comes before what the next link brings
		}
		select {
		case e, ok := <-links:
			if !ok {
				links = nil
				continue
			}
			o.linkChanged(e)
		case m, ok := <-sub.Messages():
			if !ok {
				return
			}
			o.mu.Lock()
			o.take(m.Frames, time.Now())
			o.mu.Unlock()
		case now := <-tick.C:
			o.mu.Lock()
			if o.race.due(now) {
				o.release()
			}
			o.mu.Unlock()
		}
	}
}

func (o *Outlet) linkChanged(e transport.LinkEvent) {
	switch e.Kind {
	case transport.LinkConnected:
		o.mu.Lock()
		o.joined = time.Now()
		o.mu.Unlock()
		if o.link.set(true, "") {
			o.log.Info("Direct link to the master of masters is up")
		}
	case transport.LinkDisconnected:
		o.mu.Lock()
		o.cut()
		o.mu.Unlock()
		if o.link.set(false, "disconnected") {
			o.log.Warn("Direct link to the master of masters is down, the stream goes on")
		}
	case transport.LinkHandshakeFailed, transport.LinkRetrying:
	}
}

// cut takes that something may be missing on the direct link. Like all below it is called with the lock held.
func (o *Outlet) cut() {
	o.race.cut()
	o.follower.breaks(directWay)
}

// take takes a message of the direct link.
func (o *Outlet) take(frames [][]byte, now time.Time) {
	frame := frames[len(frames)-1]
	if number, seen := o.follower.Seen(frame); seen {
		if number > 0 { // the stream is ahead: nothing that follows has a hole before it
			o.pass(o.race.release(), frame)
		}
		return
	}
	held, full := o.race.direct(frames, now)
	switch {
	case !held:
		o.send([][][]byte{frames})
	case full:
		o.release()
	}
}

// release lets go what is held, though the stream has not shown that nothing is missing before it.
func (o *Outlet) release() {
	o.follower.open()
	o.send(o.race.release())
}

// pass takes that the direct link has shown a frame that the stream brought. What it showed before, and the stream did not
// bring, is late.
func (o *Outlet) pass(before [][][]byte, frame []byte) {
	for _, m := range before {
		o.late(m[len(m)-1])
	}
	if number, _ := o.follower.Seen(frame); number > 0 {
		o.follower.shows(directWay, number)
	}
}

func (o *Outlet) late(frame []byte) {
	if _, seen := o.follower.Seen(frame); seen {
		return
	}
	o.follower.dispose(frame)
	o.follower.report(Missed{Count: 1, Reason: ReasonLate, Text: "the stream brought later publications, but not this one of the direct link", Time: time.Now()})
}

// send lets messages of the direct link out that the stream has not brought. What reaches nobody is left to the stream, which
// waits for a subscriber.
func (o *Outlet) send(messages [][][]byte) {
	for _, m := range messages {
		frame := m[len(m)-1]
		if number, seen := o.follower.Seen(frame); seen {
			o.follower.shows(directWay, number)
			continue
		}
		if !o.follower.directMayGo(o.joined) {
			o.late(frame)
			continue
		}
		if err := o.pub.publish(m, time.Now(), ""); err != nil {
			o.log.Debug("Publication of the direct link left to the stream", "err", err)
			o.cut()
			continue
		}
		o.follower.claim(directWay, frame, time.Now())
		o.direct.Add(1)
	}
}

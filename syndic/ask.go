package syndic

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
)

const (
	// askMost is how many publications one answer may hold.
	askMost = 500
	// askTimeout bounds one question.
	askTimeout = holdTime
	// askAgain is the pause after a question that was not answered.
	askAgain = time.Second
)

// askTimes are when a saltern master is asked after the link came up, beside the gaps that serials show: a publication
// can pass between the sign-in and the subscription with nothing after it that would show the gap. Later every askEvery.
var askTimes = []time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second}

const askEvery = 30 * time.Second

// maxAge is more than any journal keeps.
const maxAge = 10 * 365 * 24 * time.Hour

// reply is the outcome of one question.
type reply struct {
	value []byte
	err   error
}

// ask sends the question for what came after the cursor, unless one is under way.
func (u *Upstream) ask(ctx context.Context) {
	if u.startDue() {
		u.seq.begin(time.Now())
		return // asked when the start events are through
	}
	if u.seq.served == servedNo {
		u.follow(ctx, u.seq.refused())
		return
	}
	u.seq.begin(time.Now())
	select {
	case u.questions <- u.seq.cursor():
	default: // one is under way
	}
}

// askQuestions sends the questions of the subscription, one at a time.
func (u *Upstream) askQuestions(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case from := <-u.questions:
			value, err := u.question(ctx, func(p wire.Proof) ([]byte, error) {
				return wire.PubsRequest{ID: u.ident.ID, Epoch: from.Epoch, After: from.Serial, Max: askMost}.AppendLoad(nil, p), nil
			})
			select {
			case u.answers <- reply{value, err}:
			case <-ctx.Done():
				return nil
			}
			if signin.IsVerdict(err) {
				return err
			}
		}
	}
}

// lookNow makes the subscription ask soon.
func (u *Upstream) lookNow() {
	select {
	case u.look <- struct{}{}:
	default:
	}
}

// keepLooking asks now and then, as askTimes says, from each time that the link came up.
func (u *Upstream) keepLooking(ctx context.Context) error {
	n := 0
	timer := time.NewTimer(u.clock.real(askEvery))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-u.announced:
			n = 0
			u.lookNow()
			timer.Reset(u.clock.real(askTimes[0]))
		case <-timer.C:
			u.lookNow()
			if n++; n < len(askTimes) {
				timer.Reset(u.clock.real(askTimes[n] - askTimes[n-1]))
			} else {
				timer.Reset(u.clock.real(askEvery))
			}
		}
	}
}

// digest reads the outcome of a question.
func (u *Upstream) digest(r reply) findings {
	if r.err != nil && !errors.Is(r.err, signin.ErrNotTaken) {
		u.log.Debug("Question for missed publications not answered", "err", r.err)
		time.AfterFunc(u.clock.real(askAgain), u.lookNow)
		return u.seq.failed()
	}
	got, err := wire.ParsePubsReply(r.value)
	if r.err != nil || err != nil {
		if !errors.Is(err, wire.ErrNotServed) {
			u.log.Debug("No journal there", "err", errors.Join(r.err, err))
		}
		u.dedups.Store(false)
		return u.seq.refused()
	}
	u.dedups.Store(true)
	a := answer{epoch: got.Epoch, next: got.Next, more: got.More}
	for _, one := range got.Pubs {
		at := position{one.Epoch, one.Serial}
		pub := &publication{received: time.Now(), sent: u.sentAt(one.T, got.Now), pos: at, missed: true}
		load, err := wire.DecodeMap(one.Load, wire.Wire, wire.LoadLimits)
		if err == nil {
			err = pub.fill(load)
		}
		if err != nil {
			u.failures.Add(1)
			u.limited.Log(context.Background(), slog.LevelWarn, "Publication of the journal dropped", "upstream", u.to.Entry, "serial", one.Serial, "err", err)
			continue
		}
		a.pubs = append(a.pubs, arrival{pos: at, pub: pub})
	}
	if got.Trimmed {
		u.relay.missed(u, missedReport{Serial: u.seq.cursor().Serial, Reason: "the journal of the master of masters does not reach back that far"})
	}
	return u.seq.answered(a)
}

// sentAt is when a publication was sent that is this old by the clock of its master; without that clock's time by ours.
func (u *Upstream) sentAt(t, masterNow int64) time.Time {
	if masterNow == 0 {
		return time.UnixMilli(t)
	}
	age := min(max(masterNow-t, 0), int64(maxAge/time.Millisecond))
	return u.now().Add(-time.Duration(age) * time.Millisecond)
}

// question sends one request over the socket for questions, so that it never waits behind a batch.
func (u *Upstream) question(ctx context.Context, load func(wire.Proof) ([]byte, error)) (value []byte, err error) {
	u.askMu.Lock()
	defer u.askMu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return u.requestOver(ctx, u.asker, load)
}

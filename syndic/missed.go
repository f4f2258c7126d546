package syndic

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// TagMissed is the event by which a syndic reports publications that it missed and does not run.
const TagMissed = "saltern/relay/missed"

const (
	maxReports    = 1000
	reportTimeout = 2 * time.Second
)

// missedReport is about one publication, or a number of which nothing more is known.
type missedReport struct {
	Count    uint64 // 0 = nobody knows how many
	JID      string // "" when only the number is known
	Fun, Tgt any
	Serial   uint64 // of the publication, or of the first one behind the missing ones
	Reason   string
}

// data is the event's.
func (r *missedReport) data(syndic, upstream string) *wire.Map {
	m := wire.NewMap("syndic", syndic, "upstream", upstream, "reason", r.Reason, "serial", r.Serial)
	if r.Count > 0 {
		m.Set("count", r.Count)
	}
	if r.JID != "" {
		m.Set("jid", r.JID)
		m.Set("fun", r.Fun)
		m.Set("tgt", r.Tgt)
	}
	return m
}

// missed reports publications that will not run: in the log, upward, and on the local bus.
func (s *Syndic) missed(from *Upstream, r missedReport) {
	s.limited.Log(context.Background(), slog.LevelWarn, "Publications missed and not run", "upstream", from.to.Entry,
		"count", r.Count, "jid", r.JID, "serial", r.Serial, "reason", r.Reason)
	data := r.data(s.cfg.ID, from.to.Entry)
	if e, err := event.New(TagMissed, data, time.Now()); err == nil {
		up := Event{Tag: TagMissed, Data: wire.Transcode(nil, e.Data, wire.Wire), Origin: s.forward.origin()}
		s.intake.put(Routed{Item: Item{Event: up}, To: 1 << from.index})
		select {
		case s.reports <- e:
		default:
			s.limited.Log(context.Background(), slog.LevelWarn, "Report of missed publications not fired on the local bus: too many wait", "upstream", from.to.Entry)
		}
	}
}

// fireReports fires what waits on the local bus, whenever that is there.
func (s *Syndic) fireReports(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-s.reports:
			for ctx.Err() == nil {
				err := s.fire(ctx, e)
				if err == nil {
					break
				}
				s.log.Debug("Report not fired on the local bus, trying again", "err", err)
				sleep(ctx, localReconnect, nil)
			}
		}
	}
}

func (s *Syndic) fire(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	w, err := event.DialPull(ctx, filepath.Join(s.cfg.SockDir, event.PullSocket))
	if err != nil {
		return err
	}
	err = w.Fire(ctx, e)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

package master

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
)

// Bounds of one reply to `_saltern_pubs`: the first publication passes whatever its size.
const (
	maxReplyPubs  = 10_000
	maxReplyBytes = 1 << 20
	// maxReplyFrames bounds a reply with frames: each costs a signature.
	maxReplyFrames = 100
)

// missedPubs answers `_saltern_pubs`: what this master has published behind the position that a syndic names. It is
// served to syndics and the taps of saltern_taps only; anybody else gets what a master without the command answers. The reply never reaches beyond
// what has been sent, so that a syndic can go on from Next without a gap.
func (m *Master) missedPubs(r *request) ([]byte, error) {
	if r.level < 2 || !m.syndics.has(r.id) && !slices.Contains(m.cfg.Load().Taps, r.id) {
		m.stats.unknown.Add(1)
		return valueEmptyMap, nil
	}
	req, err := wire.ParsePubsRequest(r.load)
	if err != nil {
		return nil, err
	}
	epoch, next := m.publisher.position(m.shared)
	reply := wire.PubsReply{Epoch: epochName(epoch), Next: next, Now: m.now().UnixMilli()}
	m.syndics.heard(r.id, m.now(), func(s *syndicRecord) {
		s.asked++
		if req.Epoch != "" {
			s.epoch, s.serial = req.Epoch, req.After
		}
	})
	room := pubsRoom{reply: &reply, most: maxReplyPubs}
	if req.Max > 0 {
		room.most = min(room.most, req.Max)
	}
	if req.Frames {
		room.most = min(room.most, maxReplyFrames)
		room.seal = func(load []byte) ([]byte, error) { return m.envelope(load, epoch.Cipher) }
	}
	known := false
	if req.Epoch != "" {
		known, reply.Trimmed, err = m.jobs.Publications(jobcache.Position{Epoch: req.Epoch, Serial: req.After}, room.take)
	}
	if err == nil && !known && req.Epoch != reply.Epoch {
		// First contact, or an epoch that nobody here remembers: what is old has been seen to by somebody else.
		err = m.jobs.PublicationsSince(m.now().Add(-m.cfg.Load().ReplayFirst), room.take)
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	m.stats.replayed.Add(int64(len(reply.Pubs)))
	m.syndics.heard(r.id, m.now(), func(s *syndicRecord) { s.fetched += int64(len(reply.Pubs)) })
	return reply.Append(make([]byte, 0, room.bytes+128)), nil
}

// pubsRoom fills a reply up to its bounds.
type pubsRoom struct {
	reply *wire.PubsReply
	most  int
	bytes int
	seal  func(load []byte) ([]byte, error) // nil = frames are not wanted
}

func (p *pubsRoom) take(pub jobcache.Publication) error {
	if pub.Epoch == p.reply.Epoch && pub.Serial >= p.reply.Next {
		return jobcache.ErrStop // not sent yet
	}
	size := len(pub.Load) + 96
	if len(p.reply.Pubs) >= p.most || p.bytes+size > maxReplyBytes && len(p.reply.Pubs) > 0 {
		p.reply.More = true
		return jobcache.ErrStop
	}
	kept := wire.KeptPub{Epoch: pub.Epoch, Serial: pub.Serial, T: pub.Time.UnixMilli(), Load: append([]byte(nil), pub.Load...)}
	if p.seal != nil && pub.Epoch == p.reply.Epoch {
		var err error
		if kept.Frame, err = p.seal(kept.Load); err != nil {
			return err
		}
		size += len(kept.Frame)
	}
	p.bytes += size
	p.reply.Pubs = append(p.reply.Pubs, kept)
	return nil
}

// issue numbers, stores, seals, signs and sends one job; payload gets its serial. The job and its place in the journal
// are one commit. As in stock, a job that cannot be stored goes out all the same: minions can still run it.
func (m *Master) issue(j *job, payload *wire.Map) error {
	t, err := m.publisher.number(m.shared)
	if err != nil {
		return fmt.Errorf("number publication %s: %w", j.jid, err)
	}
	defer m.publisher.leave(t)
	payload.Set("serial", t.serial)
	value, err := wire.Encode(payload, wire.Wire)
	if err != nil {
		return fmt.Errorf("publication %s: %w", j.jid, err)
	}
	m.saveJob(j, t, value)
	envelope, err := m.envelope(value, t.epoch.Cipher)
	if err != nil {
		return fmt.Errorf("publication %s: %w", j.jid, err)
	}
	frames := m.frames(j, envelope)
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	m.publisher.wait(t)
	if err := m.pubs.Publish(ctx, frames...); err != nil {
		return fmt.Errorf("send publication %s: %w", j.jid, err)
	}
	return nil
}

// saveJob stores the load in the job cache and in the stock job directory, which the stock `salt` reads itself.
func (m *Master) saveJob(j *job, t *turn, sent []byte) {
	load, err := wire.Encode(j.load, wire.Wire)
	if err != nil {
		m.log.Error("Job load not stored", "jid", j.jid, "err", err)
		return
	}
	pub := jobcache.Publication{Epoch: epochName(t.epoch), Serial: t.serial, Time: m.now(), Load: sent}
	if m.cfg.Load().JournalKeep <= 0 {
		pub.Load = nil
	}
	err = m.jobs.SavePublication(context.Background(), jobcache.Job{
		JID: j.jid, Load: load, Minions: j.minions, Missing: j.missing, NoCache: j.nocache, Published: true,
	}, pub)
	if err != nil {
		m.log.Error("Job load not stored", "jid", j.jid, "err", err)
	}
	if err := m.loads.SaveLoad(j.jid, load, j.minions); err != nil {
		m.log.Error("Job load not written to the job directory", "jid", j.jid, "err", err)
	}
	if j.nocache {
		if err := m.loads.MarkNoCache(j.jid); err != nil {
			m.log.Error("Job not marked in the job directory", "jid", j.jid, "err", err)
		}
	}
}

// beginEpoch makes the current epoch known to the journal: a syndic that saw nothing of it yet can name it.
func (m *Master) beginEpoch() error {
	return m.jobs.BeginEpoch(context.Background(), epochName(m.shared.Current()))
}

// trimJournal drops publications older than saltern_journal_keep.
func (m *Master) trimJournal() error {
	_, err := m.jobs.TrimJournal(context.Background(), m.now().Add(-m.cfg.Load().JournalKeep))
	if errors.Is(err, jobcache.ErrClosed) {
		return nil
	}
	return err
}

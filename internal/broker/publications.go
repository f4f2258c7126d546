package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// publications hands what the master publishes to the subscribers, every frame as it came (spec: relay-and-broker §2,
// transport §4.2, §4.3).
//
//	master ──► upstream's goroutine ──► queue of shard 1 ──► its subscribers' own queues
//	                                └─► queue of shard 2 ──► …
//
// Each subscriber belongs to one shard, so its publications keep their order. A shard never waits for a subscriber:
// one whose queue is full is disconnected.
type publications struct {
	shards []*shard
	topics *topics
	next   atomic.Uint64
	log    *slog.Logger
	slow   *zmtp.RareLog
	count  publicationCounts
}

// publicationCounts are the counters of the publish side.
type publicationCounts struct {
	in      atomic.Int64 // from the master
	inBytes atomic.Int64
	out     atomic.Int64 // to subscribers
	unheard atomic.Int64 // of in: nobody had subscribed to it
	slow    atomic.Int64 // subscribers disconnected because they did not read
	refused atomic.Int64 // subscribers disconnected for too many topics
}

// Bounds of what waits for a shard; above them the master's connection is not read.
const (
	shardQueue      = 1024
	shardQueueBytes = 256 << 20
	shardBatch      = 64
)

// shard serves a part of the subscribers.
type shard struct {
	owner *publications

	mu    sync.Mutex // guards index
	index *zmtp.Index[*subscriber]

	queue pubQueue
	found []*subscriber // of one match
	dirty []*subscriber // with something to flush
}

// subscriber is one connection.
type subscriber struct {
	conn  *zmtp.Conn
	shard *shard
	dirty bool // in shard.dirty
}

// publication is one message on its way.
type publication struct {
	topic   []byte
	message *zmtp.Encoded
}

func newPublications(shards int, topics *topics, log *slog.Logger) *publications {
	p := &publications{topics: topics, log: log, slow: zmtp.NewRareLog(log)}
	perSubscriber := max(topics.most/10, 1024)
	for range shards {
		s := &shard{owner: p, index: zmtp.NewIndex[*subscriber](perSubscriber, perSubscriber*64)}
		s.queue.init()
		p.shards = append(p.shards, s)
	}
	return p
}

// run serves the shards until stop.
func (p *publications) run() {
	var wg sync.WaitGroup
	for _, s := range p.shards {
		wg.Go(s.run)
	}
	wg.Wait()
}

// stop ends run once everything queued is handed out.
func (p *publications) stop() {
	for _, s := range p.shards {
		s.queue.close()
	}
}

// publish queues a message for all who want it. It waits while a shard has too much to do, which slows the master
// down as a slow subscriber of its own would.
func (p *publications) publish(frames [][]byte) {
	p.count.in.Add(1)
	pub := publication{topic: frames[0], message: zmtp.Encode(frames)}
	p.count.inBytes.Add(int64(pub.message.Size()))
	for _, s := range p.shards {
		s.queue.push(pub)
	}
}

// Opened implements zmtp.Handler.
func (p *publications) Opened(c *zmtp.Conn) error {
	c.Tag = &subscriber{conn: c, shard: p.shards[p.next.Add(1)%uint64(len(p.shards))]}
	return nil
}

// Message implements zmtp.Handler. What subscribers send to an XPUB beside subscriptions is for nobody.
func (p *publications) Message(*zmtp.Conn, [][]byte) {}

// Subscribed implements zmtp.Handler.
func (p *publications) Subscribed(c *zmtp.Conn, topic []byte, on bool) error {
	who := c.Tag.(*subscriber)
	s := who.shard
	if !on {
		s.mu.Lock()
		last := s.index.Remove(who, topic)
		s.mu.Unlock()
		if last {
			p.topics.remove(topic)
		}
		return nil
	}
	s.mu.Lock()
	first, err := s.index.Add(who, topic)
	s.mu.Unlock()
	if err == nil && first && !p.topics.add(topic) {
		s.mu.Lock()
		s.index.Remove(who, topic)
		s.mu.Unlock()
		err = errTopics
	}
	if err != nil {
		p.count.refused.Add(1)
		p.slow.Warn("Subscriber disconnected: too many topics", "peer", c.PeerIP(), "err", err)
	}
	return err
}

var errTopics = fmt.Errorf("%w of all subscribers together", zmtp.ErrSubscriptions)

// Closed implements zmtp.Handler.
func (p *publications) Closed(c *zmtp.Conn, _ error) {
	who := c.Tag.(*subscriber)
	s := who.shard
	s.mu.Lock()
	gone := s.index.Drop(who)
	s.mu.Unlock()
	for _, topic := range gone {
		p.topics.remove([]byte(topic))
	}
}

// subscribers is how many connections have a subscription.
func (p *publications) subscribers() (n int) {
	for _, s := range p.shards {
		s.mu.Lock()
		n += s.index.Members()
		s.mu.Unlock()
	}
	return n
}

// waiting is the fullest queue of a shard.
func (p *publications) waiting() (depth int, bytes int64) {
	for _, s := range p.shards {
		d, b := s.queue.len()
		depth, bytes = max(depth, d), max(bytes, b)
	}
	return depth, bytes
}

// run hands out batches: several publications to one subscriber go out in one piece.
func (s *shard) run() {
	batch := make([]publication, 0, shardBatch)
	for {
		batch = s.queue.take(batch[:0])
		if len(batch) == 0 {
			return
		}
		for _, pub := range batch {
			s.hand(pub)
		}
		for i, who := range s.dirty {
			who.dirty = false
			who.conn.Flush()
			s.dirty[i] = nil
		}
		s.dirty = s.dirty[:0]
		clear(batch)
	}
}

// hand queues one publication for every subscriber who wants it.
func (s *shard) hand(pub publication) {
	s.mu.Lock()
	s.found = s.index.Match(s.found[:0], pub.topic)
	s.mu.Unlock()
	if len(s.found) == 0 {
		s.owner.count.unheard.Add(1)
	}
	sent := int64(0)
	for i, who := range s.found {
		s.found[i] = nil
		switch err := who.conn.Enqueue(pub.message); {
		case err == nil:
			sent++
			if !who.dirty {
				who.dirty = true
				s.dirty = append(s.dirty, who)
			}
		case errors.Is(err, zmtp.ErrQueueFull):
			s.owner.count.slow.Add(1)
			s.owner.slow.Warn("Subscriber disconnected: it does not read", "peer", who.conn.PeerIP(), "queued", who.conn.Queued())
			who.conn.CloseWith(errSlow)
		}
	}
	s.owner.count.out.Add(sent)
}

// errSlow is why a subscriber was disconnected.
var errSlow = errors.New("subscriber does not read its publications")

// pubQueue is a bounded queue of publications.
type pubQueue struct {
	mu     sync.Mutex
	some   sync.Cond // something to take, or closed
	room   sync.Cond
	list   []publication
	bytes  int64
	closed bool
}

func (q *pubQueue) init() { q.some.L, q.room.L = &q.mu, &q.mu }

// push waits for room; after close it drops.
func (q *pubQueue) push(p publication) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := int64(p.message.Size())
	for !q.closed && len(q.list) > 0 && (len(q.list) >= shardQueue || q.bytes+size > shardQueueBytes) {
		q.room.Wait()
	}
	if q.closed {
		return
	}
	q.list = append(q.list, p)
	q.bytes += size
	q.some.Signal()
}

// take waits for something and moves up to shardBatch of it to dst; nothing after close.
func (q *pubQueue) take(dst []publication) []publication {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.list) == 0 && !q.closed {
		q.some.Wait()
	}
	n := min(len(q.list), shardBatch)
	for _, p := range q.list[:n] {
		q.bytes -= int64(p.message.Size())
		dst = append(dst, p)
	}
	rest := copy(q.list, q.list[n:])
	clear(q.list[rest:])
	q.list = q.list[:rest]
	q.room.Broadcast()
	return dst
}

func (q *pubQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.some.Broadcast()
	q.room.Broadcast()
}

func (q *pubQueue) len() (n int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list), q.bytes
}

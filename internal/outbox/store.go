package outbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/saltern-io/saltern/jobcache/durable"
)

// Store is the outbox of one syndic. See the package comment for its threads and its layout on disk.
type Store struct {
	dir     string
	opts    Options
	lock    *pebble.Lock // held over all engines
	health  *health
	input   *durable.Queue[op]
	done    chan struct{} // closed when the committer has returned
	stop    chan struct{} // ends the ticker
	ticker  sync.WaitGroup
	ticking atomic.Bool // housekeeping waits in the input

	engineMu sync.RWMutex // readers hold it while they use the engine
	engine   *engine      // nil while a failed one is replaced; written by the committer alone
	closed   bool

	cause     error // why there is no engine; of the committer alone
	factCount int64 // facts that expire; of the committer alone

	queuesMu sync.Mutex
	queues   map[string]*Queue

	closing sync.Mutex
}

// Open opens or creates the store in directory dir and starts its committer. A directory is used by one process
// at a time. It fails when the disk is full or damaged, and with ErrFormat when a later release wrote it.
func Open(dir string, opts Options) (*Store, error) {
	opts.defaults()
	s := &Store{
		dir:    dir,
		opts:   opts,
		health: newHealth(opts.Log, opts.Clock()),
		input:  newInput(opts.InputEntries, opts.InputBytes),
		done:   make(chan struct{}),
		stop:   make(chan struct{}),
		queues: make(map[string]*Queue),
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open outbox %s: %w", dir, err)
	}
	go newCommitter(s).run()
	s.ticker.Go(s.tick)
	return s, nil
}

func (s *Store) open() error {
	err := s.opts.FS.MkdirAll(s.dir, 0o700)
	if err != nil {
		return err
	}
	if s.lock, err = pebble.LockDirectory(s.dir, s.opts.FS); err != nil {
		return err
	}
	o := s.load()
	if o.err != nil {
		return errors.Join(o.err, s.lock.Close())
	}
	s.adopt(o)
	return nil
}

// tick makes the committer keep house, also when nobody writes.
func (s *Store) tick() {
	t := time.NewTicker(s.opts.tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if s.ticking.CompareAndSwap(false, true) {
				s.input.Add(op{tick: true})
			}
		case <-s.stop:
			return
		}
	}
}

// Close commits what is queued, waits for readers and releases the directory. Later calls fail with ErrClosed. A
// second Close returns nil.
func (s *Store) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	close(s.stop)
	s.ticker.Wait()
	s.input.Close(ErrClosed)
	<-s.done
	s.engineMu.Lock()
	defer s.engineMu.Unlock()
	s.closed = true
	var err error
	if s.engine != nil {
		err = s.engine.close()
		if broken := s.engine.err(); broken != nil {
			err = errors.Join(broken, err)
		}
		s.engine = nil
	}
	if err := errors.Join(err, s.lock.Close()); err != nil {
		return fmt.Errorf("close outbox: %w", err)
	}
	return nil
}

// Dead delivers the cause once, and is then closed, when the store cannot heal by itself. What was promised is on
// disk and will be read by the next Open.
func (s *Store) Dead() <-chan error { return s.health.dead }

// State tells how the store is, since when and why.
func (s *Store) State() Status { return s.health.status() }

// read registers a reader; the caller calls endRead when it is done with the engine.
func (s *Store) read() (*engine, error) {
	s.engineMu.RLock()
	switch {
	case s.closed:
		s.engineMu.RUnlock()
		return nil, ErrClosed
	case s.engine == nil:
		s.engineMu.RUnlock()
		if st := s.health.status(); st.Err != nil {
			return nil, st.Err
		}
		return nil, ErrUnavailable
	}
	return s.engine, nil
}

func (s *Store) endRead() { s.engineMu.RUnlock() }

// Put stores entries as one unit, in one group commit. It waits while the input is full. done gets one Outcome for
// each entry, in their order, after the sync; it must not block. Entries of refused outcomes are not stored, all others
// are, together or not at all.
func (s *Store) Put(entries []Entry, done func([]Outcome)) {
	s.Commit(Unit{Entries: entries}, done)
}

// Commit is Put with facts that belong to the same unit. When there are no entries, done gets an empty slice for
// success and one Outcome with the error otherwise.
func (s *Store) Commit(u Unit, done func([]Outcome)) {
	err := u.check(s)
	if err == nil {
		err = s.input.Put(context.Background(), op{unit: u, done: done, entries: len(u.Entries) + len(u.Facts), bytes: u.bytes()})
	}
	if err == nil {
		return
	}
	done(sameOutcome(len(u.Entries), err))
}

func (u *Unit) check(s *Store) error {
	for i := range u.Entries {
		if q := u.Entries[i].Queue; q == nil || q.s != s {
			return fmt.Errorf("%w: entry without a queue of this outbox", ErrItem)
		}
	}
	for i := range u.Facts {
		if err := u.Facts[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (u *Unit) bytes() (n int64) {
	for i := range u.Entries {
		n += u.Entries[i].Item.size()
	}
	for i := range u.Facts {
		n += int64(len(u.Facts[i].Key) + len(u.Facts[i].Value))
	}
	return n
}

// do queues apply and waits for its group's commit.
func (s *Store) do(apply func(*group) error, sync bool) error {
	result := make(chan error, 1)
	err := s.input.Put(context.Background(), op{apply: apply, sync: sync, doneErr: func(err error) { result <- err }, entries: 1})
	if err != nil {
		return err
	}
	return <-result
}

// Sync waits until everything queued before it is committed and synced, acknowledgements included.
func (s *Store) Sync() error {
	return s.do(func(*group) error { return nil }, true)
}

// Expire drops what is too old now, waiting items, keys and facts. The store does so by itself every 10 s.
func (s *Store) Expire() error {
	for {
		var more bool
		err := s.do(func(g *group) (err error) {
			more, err = g.expireAll(s.listQueues())
			return err
		}, true)
		if err != nil || !more {
			return err
		}
	}
}

// Queue returns the queue of that name, creating it (one synced write) when there is none. name is 1 to MaxName bytes.
func (s *Store) Queue(name string) (*Queue, error) {
	if name == "" || len(name) > MaxName {
		return nil, fmt.Errorf("outbox: queue name of %d bytes", len(name))
	}
	if q := s.find(name); q != nil {
		return q, nil
	}
	err := s.do(func(g *group) error {
		if g.full {
			return ErrDiskFull
		}
		return g.create(name)
	}, true)
	if err != nil {
		return nil, fmt.Errorf("create queue %q: %w", name, err)
	}
	if q := s.find(name); q != nil {
		return q, nil
	}
	return nil, fmt.Errorf("create queue %q: %w", name, ErrGone)
}

func (s *Store) find(name string) *Queue {
	s.queuesMu.Lock()
	defer s.queuesMu.Unlock()
	return s.queues[name]
}

// Queues lists the queues on disk, by name.
func (s *Store) Queues() []*Queue { return s.listQueues() }

func (s *Store) listQueues() []*Queue {
	s.queuesMu.Lock()
	defer s.queuesMu.Unlock()
	list := make([]*Queue, 0, len(s.queues))
	for _, q := range s.queues {
		list = append(list, q)
	}
	slices.SortFunc(list, func(a, b *Queue) int { return strings.Compare(a.name, b.name) })
	return list
}

// register makes what a committed group created and dropped known to callers.
func (s *Store) register(births, touched []*Queue) {
	s.queuesMu.Lock()
	defer s.queuesMu.Unlock()
	for _, q := range touched {
		if q.gone && s.queues[q.name] == q {
			delete(s.queues, q.name)
		}
	}
	for _, q := range births {
		if !q.gone {
			s.queues[q.name] = q
		}
	}
}

// Drop removes a queue with all that waits in it. Whoever holds it gets ErrGone. Dropping what is not there is no error.
func (s *Store) Drop(name string) error {
	return s.do(func(g *group) error { return g.drop(name) }, true)
}

// foundQueue is a queue on disk.
type foundQueue struct {
	id    uint32
	state queueState
}

func (s *Store) loadQueues(e *engine) (map[string]foundQueue, error) {
	found := make(map[string]foundQueue)
	err := e.scan([]byte{prefixName}, []byte{prefixName + 1}, func(key, value []byte) error {
		if len(value) != 5 || value[0] != recordVersion {
			return fmt.Errorf("%w: queue %q", ErrRecord, key[1:])
		}
		f := foundQueue{id: binary.BigEndian.Uint32(value[1:])}
		var err error
		if f.state, _, err = loadState(e.db, f.id); err != nil {
			return fmt.Errorf("queue %q: %w", key[1:], err)
		}
		if err := f.state.balance(string(key[1:])); err != nil {
			s.opts.Log.Error("Outbox counters do not balance", "err", err)
		}
		found[string(key[1:])] = f
		return nil
	})
	return found, err
}

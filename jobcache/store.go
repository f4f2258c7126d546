package jobcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/saltern-io/saltern/jobcache/durable"
)

// Options of a Store. The zero value is a good small-memory set.
type Options struct {
	MemTable     uint64           // bytes of one in-memory table (at most 4), allocated as it fills; default 4 MiB
	Cache        int64            // bytes of the block cache, allocated as it fills; default 16 MiB
	MaxOpenFiles int              // default 1000
	Keep         time.Duration    // age by receive time at which Expire drops a job; 0 = never
	QueueReturns int              // waiting writes before callers wait; default 10000
	QueueBytes   int64            // the same in bytes of bodies; default 64 MiB
	JournalMax   int              // entries of the journal; 0 = none is kept
	ExportMax    int              // changes of the export log; 0 = none is kept
	Log          *slog.Logger     // default: nothing is logged
	Clock        func() time.Time // default time.Now
	FS           vfs.FS           // default the operating system's

	flushDelay time.Duration // how soon a range deletion frees its space; default 10 s
}

// Bounds of one group commit.
const (
	groupReturns = 5000
	groupBytes   = 2 << 20
)

func (o *Options) defaults() {
	if o.MemTable == 0 {
		o.MemTable = 4 << 20
	}
	if o.Cache == 0 {
		o.Cache = 16 << 20
	}
	if o.MaxOpenFiles == 0 {
		o.MaxOpenFiles = 1000
	}
	if o.QueueReturns == 0 {
		o.QueueReturns = 10000
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.flushDelay == 0 {
		o.flushDelay = 10 * time.Second
	}
}

// Store is the durable job cache. See the package comment for its threads and its layout on disk.
type Store struct {
	opts    Options
	db      *pebble.DB
	log     *engineLog
	queue   *durable.Queue[write]
	done    chan struct{} // closed when the committer has returned
	counts  counters
	journal journal
	export  exportLog

	expiring sync.Mutex // one Expire at a time; guards garbage
	garbage  garbage
	closing  context.Context // ends with Close: the engine's compactions take one
	stop     context.CancelFunc

	mu      sync.Mutex
	idle    sync.Cond // signalled when readers reaches 0
	readers int
	closed  bool
}

// Open opens or creates the store in directory dir and starts its committer. A directory is used by one
// process at a time; a second Open of it fails. It returns ErrFormat when a later release wrote it.
func Open(dir string, opts Options) (*Store, error) {
	opts.defaults()
	log := newEngineLog(opts.Log)
	db, err := pebble.Open(dir, engineOptions(&opts, log))
	if err != nil {
		return nil, fmt.Errorf("open job cache %s: %w", dir, err)
	}
	if err := durable.CheckFormat(db, formatKey, formatValue); err != nil {
		return nil, errors.Join(fmt.Errorf("open job cache %s: %w", dir, err), db.Close())
	}
	if err := log.err(); err != nil {
		return nil, fmt.Errorf("open job cache %s: %w", dir, err)
	}
	s := &Store{
		opts:  opts,
		db:    db,
		log:   log,
		queue: newQueue(opts.QueueReturns, opts.QueueBytes),
		done:  make(chan struct{}),
	}
	s.idle.L = &s.mu
	if err := errors.Join(s.openJournal(), s.openExport()); err != nil {
		return nil, errors.Join(fmt.Errorf("open job cache %s: %w", dir, err), db.Close())
	}
	s.closing, s.stop = context.WithCancel(context.Background())
	go newCommitter(s).run()
	return s, nil
}

func engineOptions(o *Options, log *engineLog) *pebble.Options {
	po := &pebble.Options{
		FS: o.FS,
		// Without it the engine keeps the oldest format it knows.
		FormatMajorVersion: pebble.FormatNewest,
		CacheSize:          o.Cache,
		MaxOpenFiles:       o.MaxOpenFiles,
		MemTableSize:       o.MemTable,
		// A burst may fill some tables while one is flushed, before writes stall.
		MemTableStopWritesThreshold: 4,
		// A range deletion frees nothing until something is flushed.
		FlushDelayDeleteRange: o.flushDelay,
		Logger:                log,
	}
	// Every return asks for a key that is not there (is it a duplicate?): filters answer that from memory.
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return po
}

// Dead delivers the cause once, and is then closed, when the engine can no longer write (disk full, input
// or output error). From then on every write fails with ErrDead; the daemon should stop: what was
// acknowledged is on disk and will be read by the next Open.
func (s *Store) Dead() <-chan error {
	return s.log.ch
}

// deadCloseLimit bounds closing an engine that has failed, which may wait for work that never ends.
const deadCloseLimit = 5 * time.Second

// Close commits what is queued, waits for readers and releases the directory. Later calls of any method
// fail with ErrClosed. A second Close returns nil.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()

	s.stop()
	s.queue.Close(ErrClosed)
	<-s.done

	s.mu.Lock()
	for s.readers > 0 {
		s.idle.Wait()
	}
	s.mu.Unlock()
	if s.log.err() == nil {
		if err := s.db.Close(); err != nil {
			return fmt.Errorf("close job cache: %w", err)
		}
		return nil
	}
	return s.closeDead()
}

// closeDead tries to give a failed engine's files back.
func (s *Store) closeDead() error {
	closed := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				closed <- fmt.Errorf("close failed job cache: %v", p)
			}
		}()
		closed <- s.db.Close()
	}()
	select {
	case err := <-closed:
		return errors.Join(s.log.err(), err)
	case <-time.After(deadCloseLimit):
		return fmt.Errorf("%w; it does not close either", s.log.err())
	}
}

// read registers a reader; the caller calls endRead when it is done with the engine.
func (s *Store) read() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.readers++
	return nil
}

func (s *Store) endRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers--
	if s.readers == 0 {
		s.idle.Broadcast()
	}
}

// do queues apply and waits for its group's commit. When ctx ends first the write may still happen.
func (s *Store) do(ctx context.Context, size int, apply func(*group) error) error {
	if err := s.log.err(); err != nil {
		return err
	}
	result := make(chan error, 1)
	w := write{apply: apply, doneErr: func(err error) { result <- err }, returns: 1, bytes: int64(size)}
	if err := s.queue.Put(ctx, w); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

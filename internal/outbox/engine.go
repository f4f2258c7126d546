package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/saltern-io/saltern/jobcache/durable"
)

// engine is one opening of the files. It also is the engine's logger: without it the engine prints to stderr and
// ends the process when a write fails; with it a failure marks the engine broken and the committer replaces it.
type engine struct {
	db     *pebble.DB
	log    *slog.Logger
	broken atomic.Pointer[brokenCause]
	noted  atomic.Int64 // unix seconds of the last background error in the log
	onFail func(error)  // told once why the engine is broken
}

type brokenCause struct{ err error }

// openEngine opens the files. It returns ErrFormat when a later release wrote them.
func openEngine(dir string, o *Options, lock *pebble.Lock, onFail func(error)) (e *engine, err error) {
	e = &engine{log: o.Log, onFail: onFail}
	defer func() {
		if p := recover(); p != nil {
			e, err = nil, fmt.Errorf("%w: open: %v", errStuck, p)
		}
	}()
	e.db, err = pebble.Open(dir, e.options(o, lock))
	if err != nil {
		return nil, err
	}
	err = durable.CheckFormat(e.db, formatKey, formatValue)
	if err == nil {
		err = e.err()
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *engine) options(o *Options, lock *pebble.Lock) *pebble.Options {
	po := &pebble.Options{
		FS:   newFreezeFS(o.FS, e),
		Lock: lock,
		// Without it the engine keeps the oldest format it knows.
		FormatMajorVersion: pebble.FormatNewest,
		CacheSize:          o.Cache,
		MaxOpenFiles:       o.MaxOpenFiles,
		MemTableSize:       o.MemTable,
		// A burst may fill some tables while one is flushed, before writes stall.
		MemTableStopWritesThreshold: 4,
		// A range deletion frees nothing until something is flushed.
		FlushDelayDeleteRange: 10 * time.Second,
		Logger:                e,
		EventListener:         &pebble.EventListener{BackgroundError: e.background},
	}
	// Every keyed item asks for a key that is not there: filters answer that from memory.
	// Blocks larger than the engine's 4 KiB keep the indexes small that share the cache with the filters.
	for i := range po.Levels {
		l := &po.Levels[i]
		l.FilterPolicy = bloom.FilterPolicy(10)
		l.BlockSize = 16 << 10
		l.IndexBlockSize = 64 << 10
	}
	return po
}

// Infof takes the engine's notes on flushes and logs.
func (e *engine) Infof(format string, args ...any) {
	if e.log.Enabled(context.Background(), slog.LevelDebug) {
		e.log.Debug("Outbox engine", "note", fmt.Sprintf(format, args...))
	}
}

// Errorf takes background errors. The engine retries at once and for ever, so not every one is logged.
func (e *engine) Errorf(format string, args ...any) {
	now := time.Now().Unix()
	if last := e.noted.Load(); now-last < 60 || !e.noted.CompareAndSwap(last, now) {
		return
	}
	e.log.Error("Outbox engine error", "err", fmt.Sprintf(format, args...))
}

// background takes errors of flushes and compactions. The engine repeats them at once and for ever, and in the end
// makes writers wait; so with a disk that is full or fails it is better replaced, with pauses.
func (e *engine) background(err error) {
	e.Errorf("background: %v", err)
	if e.err() != nil {
		time.Sleep(backgroundPause) // the engine would repeat it as fast as it can
	}
	if noSpace(err) || errors.Is(err, syscall.EIO) {
		e.fail(classify(err))
	}
}

const backgroundPause = 50 * time.Millisecond

// Fatalf marks the engine broken. It returns: the engine then believes that the write went through, which is
// why the committer looks at err after every commit.
func (e *engine) Fatalf(format string, args ...any) {
	err := fmt.Errorf("%w: %s", ErrUnavailable, fmt.Sprintf(format, args...))
	for _, a := range args {
		if cause, ok := a.(error); ok && noSpace(cause) {
			err = fmt.Errorf("%w: %s", ErrDiskFull, fmt.Sprintf(format, args...))
		}
	}
	e.fail(err)
}

func (e *engine) fail(err error) {
	if e.broken.CompareAndSwap(nil, &brokenCause{err}) {
		e.onFail(err)
	}
}

// err is nil while the engine works.
func (e *engine) err() error {
	if c := e.broken.Load(); c != nil {
		return c.err
	}
	return nil
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// classify makes one of the two errors that mean "try again" of an engine's error.
func classify(err error) error {
	switch {
	case errors.Is(err, ErrDiskFull), errors.Is(err, ErrUnavailable):
		return err
	case noSpace(err):
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// errStuck says that an engine neither works nor lets its files go.
var errStuck = errors.New("engine is stuck")

// closeLimit bounds closing an engine, which may wait for work that never ends once it has failed.
const closeLimit = 5 * time.Second

// close gives the files back. An engine that had failed may panic or hang in it: that is errStuck.
func (e *engine) close() error {
	if e.err() == nil {
		return e.db.Close()
	}
	closed := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				closed <- fmt.Errorf("%w: close: %v", errStuck, p)
			}
		}()
		closed <- e.db.Close()
	}()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case err := <-closed:
		return err
	case <-limit.C:
		return fmt.Errorf("%w: it does not close", errStuck)
	}
}

// commit writes a batch. A failed log write is known only by the engine's mark.
func (e *engine) commit(b *pebble.Batch, o *pebble.WriteOptions) (err error) {
	defer func() {
		if p := recover(); p != nil {
			cause, ok := p.(error)
			if !ok {
				cause = fmt.Errorf("%v", p)
			}
			e.fail(classify(cause))
			err = e.err()
		}
	}()
	err = b.Commit(o)
	if broken := e.err(); broken != nil {
		return broken
	}
	if err != nil {
		e.fail(classify(err))
		return e.err()
	}
	return nil
}

// get asks the engine for one key; look, if given, sees the value while it is valid.
func (e *engine) get(key []byte, look func([]byte) error) (found bool, err error) {
	v, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if look != nil {
		err = look(v)
	}
	return true, errors.Join(err, closer.Close())
}

// scan calls fn for every pair of a range, in order, until it returns ErrStop or another error. Key and value are
// valid during the call only.
func (e *engine) scan(lower, upper []byte, fn func(key, value []byte) error) error {
	return scanReader(e.db, lower, upper, fn)
}

// scanReader is scan on a snapshot.
func scanReader(r pebble.Reader, lower, upper []byte, fn func(key, value []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			err = fn(it.Key(), v)
		}
	}
	if errors.Is(err, ErrStop) {
		err = nil
	}
	return errors.Join(err, it.Close())
}

package outbox

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of a Store. The zero value has the defaults. Bounds are per queue, unless noted.
type Options struct {
	MaxItems int64         // waiting items; default 1,000,000
	MaxBytes int64         // waiting bytes (key, body, ItemOverhead); default 1 GiB
	MaxAge   time.Duration // an older item is dropped; default 7 days, negative = never
	MaxKeys  int64         // remembered keys of acknowledged items; default 2,000,000
	KeyAge   time.Duration // how long a key is remembered, from storing it; default 24 h
	MaxFacts int64         // facts with a TTL in the whole store; beyond it the next to expire go; default 1,000,000

	InputEntries int   // entries waiting for the committer before callers wait; default 10,000
	InputBytes   int64 // the same in bytes; default 16 MiB
	MinFree      int64 // free bytes on disk below which nothing is accepted; default 64 MiB, negative = not checked

	MemTable     uint64           // bytes of one in-memory table (at most 4), allocated as it fills; default 4 MiB
	Cache        int64            // bytes of block cache and in-memory tables together, allocated as they fill; default 24 MiB
	MaxOpenFiles int              // default 200
	Log          *slog.Logger     // default: nothing is logged
	Clock        func() time.Time // for ages; default time.Now
	FS           vfs.FS           // default the operating system's

	tick    time.Duration // housekeeping; default 1 s
	backoff time.Duration // first pause before opening a failed engine anew; default 100 ms
}

// Bounds of one group commit.
const (
	groupEntries = 5000
	groupBytes   = 4 << 20
)

// maxBackoff is the longest pause before a failed engine is opened anew.
const maxBackoff = 10 * time.Second

func (o *Options) defaults() {
	setDefault(&o.MaxItems, 1_000_000)
	setDefault(&o.MaxBytes, 1<<30)
	setDefault(&o.MaxAge, 7*24*time.Hour)
	setDefault(&o.MaxKeys, 2_000_000)
	setDefault(&o.KeyAge, 24*time.Hour)
	setDefault(&o.MaxFacts, 1_000_000)
	setDefault(&o.InputEntries, 10_000)
	setDefault(&o.InputBytes, 16<<20)
	setDefault(&o.MinFree, 64<<20)
	setDefault(&o.MemTable, 4<<20)
	setDefault(&o.Cache, 24<<20)
	setDefault(&o.MaxOpenFiles, 200)
	setDefault(&o.tick, time.Second)
	setDefault(&o.backoff, 100*time.Millisecond)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

package outbox

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// space watches the free space of the disk. The engine does not survive a full disk; so writing stops before.
type space struct {
	fs      vfs.FS
	dir     string
	min     int64
	next    time.Time
	written int64 // since the last look
	full    bool
}

const (
	spaceStep    = time.Second            // between two looks
	spaceRetry   = 100 * time.Millisecond // the same while the disk is full
	spaceWritten = 8 << 20                // or after so many bytes
)

// low tells whether the disk has less than the wanted space.
func (sp *space) low(e *engine) bool {
	if sp.min < 0 {
		return false
	}
	now := time.Now()
	if now.Before(sp.next) && sp.written < spaceWritten {
		return sp.full
	}
	u, err := sp.fs.GetDiskUsage(sp.dir)
	switch {
	case err != nil:
		// Some file systems cannot tell; a failed write then says it.
		sp.full = false
		e.Infof("free space is not known: %v", err)
	default:
		sp.full = u.AvailBytes < uint64(sp.min)
	}
	sp.written = 0
	sp.next = now.Add(spaceStep)
	if sp.full {
		sp.next = now.Add(spaceRetry)
	}
	return sp.full
}

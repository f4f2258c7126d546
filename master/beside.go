package master

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/pki"
)

// besideEvery is how often the file is read again once it was there. Before that every batch of events looks for it: a
// syndic may start at any time, and the first event it forwards may be the one that comes back.
const besideEvery = time.Second

// beside knows the id of the saltern syndic that serves this master: the syndic leaves it in the master's cache
// directory. What that syndic forwarded was here first.
type beside struct {
	mu sync.Mutex
	id string // "" = there is none, or a stock one
	at time.Time
}

func (b *beside) syndic(cacheDir string, now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.id != "" && now.Sub(b.at) < besideEvery && !now.Before(b.at) {
		return b.id
	}
	b.id, b.at = "", now
	f, err := os.Open(filepath.Join(cacheDir, config.SyndicIDFile))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err == nil && pki.CheckID(string(text)) == nil {
		b.id = string(text)
	}
	return b.id
}

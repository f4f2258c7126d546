package syndic

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/outbox"
)

// Prefixes of the facts that outlive a restart.
const (
	factJob    = "job\x00"    // jid → jobRecord
	factCursor = "cursor\x00" // upstream → position
	factRun    = "run"        // number of the last run

	jobFactAge = 24 * time.Hour
)

// storeDir is where the outbox of the syndic beside this master lives.
func storeDir(cfg *config.Syndic) string { return filepath.Join(cfg.CacheDir, "saltern", "syndic") }

// openStore opens the outbox and drops the empty queues of upstreams that are no longer configured. What still waits
// for such a one stays until it is too old: the upstream may be back in the configuration tomorrow.
func openStore(cfg *config.Syndic, entries []string, clk *clock, log *slog.Logger) (*outbox.Store, error) {
	st, err := outbox.Open(storeDir(cfg), outbox.Options{
		MaxItems: cfg.OutboxItems, MaxBytes: cfg.OutboxBytes, MaxAge: cfg.OutboxAge, Clock: clk.now, Log: log,
	})
	if err != nil {
		return nil, err
	}
	for _, q := range st.Queues() {
		if contains(entries, q.Name()) {
			continue
		}
		stats, err := q.Stats()
		if err == nil && stats.Items == 0 {
			err = st.Drop(q.Name())
		} else if err == nil {
			log.Warn("Returns and events wait for a master of masters that syndic_master does not name", "upstream", q.Name(), "items", stats.Items)
		}
		if err != nil {
			log.Warn("Queue of a former upstream not dropped", "upstream", q.Name(), "err", err)
		}
	}
	return st, nil
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

// jobRecord is what is kept on disk of a job that came from above.
type jobRecord struct {
	Down bool     // the local master has it
	Ups  []string // entries of the upstreams that delivered it, the origin first
}

func (r *jobRecord) encode() []byte {
	b := []byte{1, 0}
	if r.Down {
		b[1] = 1
	}
	for _, up := range r.Ups {
		b = append(binary.AppendUvarint(b, uint64(len(up))), up...)
	}
	return b
}

func decodeJobRecord(b []byte) (r jobRecord, ok bool) {
	if len(b) < 2 || b[0] != 1 {
		return r, false
	}
	r.Down = b[1] == 1
	for rest := b[2:]; len(rest) > 0; {
		var part []byte
		if part, rest, ok = cutPart(rest); !ok {
			return jobRecord{}, false
		}
		r.Ups = append(r.Ups, string(part))
	}
	return r, true
}

// position is a place in the publications of one upstream.
type position struct {
	Epoch  string // one life of the upstream's shared key; "" = nothing seen yet
	Serial uint64
}

func (p position) encode() []byte {
	return append(binary.BigEndian.AppendUint64([]byte{1}, p.Serial), p.Epoch...)
}

func decodePosition(b []byte) (position, bool) {
	if len(b) < 9 || b[0] != 1 {
		return position{}, false
	}
	return position{Epoch: string(b[9:]), Serial: binary.BigEndian.Uint64(b[1:9])}, true
}

// loadJobs makes the forwarder remember the jobs of earlier lives.
func loadJobs(st *outbox.Store, f *Forwarder) error {
	return st.Facts(factJob, func(key string, value []byte) error {
		if r, ok := decodeJobRecord(value); ok {
			f.restore(strings.TrimPrefix(key, factJob), r)
		}
		return nil
	})
}

// loadCursor is where the publications of an upstream were left.
func loadCursor(st *outbox.Store, entry string) (position, error) {
	value, ok, err := st.Fact(factCursor + entry)
	if err != nil || !ok {
		return position{}, err
	}
	p, _ := decodePosition(value)
	return p, nil
}

// numbers gives events numbers that no earlier run of this syndic has given.
type numbers struct {
	mu   sync.Mutex
	next int64
}

// newNumbers begins a run: its number is the time in seconds, or one more than the run before when the clock stood or
// went back. Each run has 2^30 numbers for each second it lasts.
func newNumbers(st *outbox.Store, now time.Time) (*numbers, error) {
	value, ok, err := st.Fact(factRun)
	if err != nil {
		return nil, err
	}
	run := now.Unix()
	if ok && len(value) == 8 {
		run = max(run, int64(binary.BigEndian.Uint64(value))+1)
	}
	if err := st.SetFact(factRun, binary.BigEndian.AppendUint64(nil, uint64(run))); err != nil {
		return nil, fmt.Errorf("begin a run: %w", err)
	}
	return &numbers{next: run << 30}, nil
}

func (n *numbers) take() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	return n.next
}

package syndic

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/signin"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

const (
	inventoryEvery = 500 * time.Millisecond // between two looks at the directories
	inventoryFull  = time.Minute            // between two looks into them, whatever their times say
	inventorySteps = 64 << 10               // ids in one request
)

// population is which minions stand behind this syndic. It never changes; a new one takes its place.
type population struct {
	ids   []string  // sorted
	below *wire.Map // syndics below → whether their own lists are known
}

// inventory watches who is accepted at the local master, and behind the syndics below that. It reads the directories
// that stock and saltern masters have in common, and the lists that a saltern master keeps of its syndics:
//
//	<pki_dir>/minions/<id>                  accepted keys
//	<cachedir>/syndics/<id>                 which of them are syndics: they answer no job themselves
//	<cachedir>/saltern/inventory/<syndic>   who stands behind a syndic
//
// A directory that cannot be read means that nothing is told upward: clients there wait, as for a stock syndic.
type inventory struct {
	keys, syndics, lists string
	log                  *slog.Logger

	mu      sync.Mutex
	now     *population   // nil until it was read
	changed chan struct{} // closed when now is replaced

	times  [3]time.Time
	readAt time.Time
	failed bool
}

func newInventory(cfg *config.Syndic, log *slog.Logger) *inventory {
	return &inventory{
		keys: filepath.Join(cfg.Local.PKIDir, "minions"), syndics: filepath.Join(cfg.CacheDir, "syndics"),
		lists: filepath.Join(cfg.CacheDir, "saltern", "inventory"), log: log, changed: make(chan struct{}),
	}
}

// current returns the population, nil when unknown, and a channel that is closed when there is another.
func (v *inventory) current() (*population, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now, v.changed
}

// watch keeps the population up to date until ctx ends.
func (v *inventory) watch(ctx context.Context) {
	for {
		v.refresh(time.Now())
		if !sleep(ctx, inventoryEvery, nil) {
			return
		}
	}
}

// refresh reads the directories when one of them has changed. A change in the tick of the last look does not show in
// the times, so young directories are read again.
func (v *inventory) refresh(now time.Time) {
	var times [3]time.Time
	young := false
	for i, dir := range []string{v.keys, v.syndics, v.lists} {
		if st, err := os.Stat(dir); err == nil {
			times[i] = st.ModTime()
			young = young || v.readAt.Sub(times[i]) < 2*time.Second
		}
	}
	if times == v.times && !young && now.Sub(v.readAt) < inventoryFull {
		return
	}
	p, err := v.read()
	v.times, v.readAt = times, now
	if err != nil {
		if !v.failed {
			v.log.Warn("Accepted keys of the local master not readable: masters of masters are not told who stands behind this syndic", "err", err)
		}
		v.failed = true
		return
	}
	v.failed = false
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now != nil && slices.Equal(v.now.ids, p.ids) && sameBelow(v.now.below, p.below) {
		return
	}
	v.now = p
	close(v.changed)
	v.changed = make(chan struct{})
}

func sameBelow(a, b *wire.Map) bool {
	if a.Len() != b.Len() {
		return false
	}
	for id, known := range a.All() {
		if other, ok := b.GetKey(id); !ok || other != known {
			return false
		}
	}
	return true
}

func (v *inventory) read() (*population, error) {
	keys, err := names(v.keys)
	if err != nil {
		return nil, err
	}
	syndics, err := names(v.syndics)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	p := &population{below: wire.NewMap()}
	for _, id := range keys {
		if _, isSyndic := slices.BinarySearch(syndics, id); !isSyndic {
			p.ids = append(p.ids, id)
			continue
		}
		list, err := v.list(id)
		if err != nil {
			p.below.Set(id, false)
			continue
		}
		p.below.Set(id, true)
		p.ids = append(p.ids, list...)
	}
	slices.Sort(p.ids)
	p.ids = slices.Compact(p.ids)
	return p, nil
}

// list reads what a saltern master keeps of one of its syndics.
func (v *inventory) list(syndic string) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join(v.lists, syndic))
	if err != nil {
		return nil, err
	}
	req, err := wire.ParseInventoryRequest(raw)
	if err != nil {
		return nil, fmt.Errorf("list of %s: %w", syndic, err)
	}
	for below, known := range req.Below.All() {
		if known == false {
			return nil, fmt.Errorf("list of %s: nothing known of %v", syndic, below)
		}
	}
	return req.Add, nil
}

// names lists what can be an id in a directory, sorted.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(entries))
	for _, e := range entries {
		if !e.IsDir() && e.Name()[0] != '.' && pki.CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// difference lists what b has that a has not; both are sorted.
func difference(a, b []string) (more []string) {
	for _, id := range b {
		if _, ok := slices.BinarySearch(a, id); !ok {
			more = append(more, id)
		}
	}
	return more
}

// tellInventory keeps one upstream informed while the link serves: the whole list when it has heard the start events,
// then what changes. A stock master is asked once per connection.
func (u *Upstream) tellInventory(ctx context.Context) error {
	var told *population // what the upstream has
	var change <-chan struct{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-u.tell:
			told = nil
		case <-change:
		}
		now, next := u.people.current()
		change = next
		if now == nil {
			continue
		}
		err := u.sendInventory(ctx, told, now)
		switch {
		case err == nil:
			told = now
		case signin.IsVerdict(err):
			return err
		case errors.Is(err, wire.ErrNotServed):
			change = nil // until the next connection
		case ctx.Err() == nil:
			u.log.Debug("Inventory not taken, trying again", "err", err)
			told = nil
			if !u.clock.sleep(ctx, askAgain, nil) {
				return nil
			}
			u.retell()
		}
	}
}

// retell makes the whole list go up.
func (u *Upstream) retell() {
	select {
	case u.tell <- struct{}{}:
	default:
	}
}

// sendInventory sends what has changed since told, everything when that is nil or not what the upstream has.
func (u *Upstream) sendInventory(ctx context.Context, told, now *population) error {
	if told != nil {
		req := wire.InventoryRequest{Add: difference(told.ids, now.ids), Del: difference(now.ids, told.ids), Below: now.below}
		wantFull, err := u.sendList(ctx, req)
		if err != nil || !wantFull {
			return err
		}
	}
	head := now.ids[:min(len(now.ids), inventorySteps)]
	wantFull, err := u.sendList(ctx, wire.InventoryRequest{Full: true, Add: head, Below: now.below})
	for rest := now.ids[len(head):]; err == nil && !wantFull && len(rest) > 0; rest = rest[len(head):] {
		head = rest[:min(len(rest), inventorySteps)]
		wantFull, err = u.sendList(ctx, wire.InventoryRequest{Add: head})
	}
	if err == nil && wantFull {
		err = errors.New("the whole list was not enough")
	}
	return err
}

func (u *Upstream) sendList(ctx context.Context, req wire.InventoryRequest) (wantFull bool, err error) {
	u.listSeq++
	req.ID, req.Seq = u.ident.ID, u.listSeq
	value, err := u.question(ctx, func(p wire.Proof) ([]byte, error) { return req.AppendLoad(nil, p) })
	if errors.Is(err, signin.ErrNotTaken) {
		return false, wire.ErrNotServed
	}
	if err != nil {
		return false, err
	}
	got, err := wire.ParseInventoryReply(value)
	if err != nil {
		return false, fmt.Errorf("%w: %w", wire.ErrNotServed, err)
	}
	return got.WantFull, nil
}

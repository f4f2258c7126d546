package master

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// maxInventoryIDs bounds the ids of all inventories together. What a syndic lists beyond it is not taken, and the
// inventory is then never complete: clients wait as they do for a stock syndic.
const maxInventoryIDs = 200_000

// maxBelow bounds the syndics that one syndic names below itself.
const maxBelow = maxSyndics

// inventories knows which minions stand behind each syndic, as the syndics tell it (`_saltern_inventory`). Each one is
// kept in a file, so that a master that starts knows them at once; they count as current only when the syndic has
// spoken since.
type inventories struct {
	dir string
	log *slog.Logger

	taking sync.Mutex // one request at a time, with its file; before mu

	mu         sync.RWMutex
	bySyndic   map[string]*inventory
	total      int
	generation uint64 // changes when an id comes or goes
}

// inventory is the list of one syndic; the lock of inventories guards it.
type inventory struct {
	ids     map[string]struct{}
	seq     uint64
	below   *wire.Map // syndics further down → whether theirs are current; may be nil
	current bool      // announced since the last start event and since this master started
	cut     bool      // some ids did not fit or cannot be ids
}

func openInventories(dir string, log *slog.Logger) (*inventories, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of inventories: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read inventories: %w", err)
	}
	v := &inventories{dir: dir, log: log, bySyndic: map[string]*inventory{}, generation: 1}
	for _, e := range entries {
		if pki.CheckID(e.Name()) != nil || !e.Type().IsRegular() {
			continue
		}
		inv, err := v.load(e.Name())
		if err != nil {
			log.Warn("Inventory of a syndic not readable, it will be asked again", "syndic", e.Name(), "err", err)
			continue
		}
		v.bySyndic[e.Name()] = inv
		v.total += len(inv.ids)
	}
	return v, nil
}

// load reads a file: the load of the full list that would say the same.
func (v *inventories) load(id string) (*inventory, error) {
	raw, err := os.ReadFile(filepath.Join(v.dir, id))
	if err != nil {
		return nil, err
	}
	req, err := wire.ParseInventoryRequest(raw)
	if err != nil {
		return nil, err
	}
	inv := &inventory{ids: make(map[string]struct{}, len(req.Add)), seq: req.Seq, below: req.Below}
	v.fill(inv, req.Add, maxInventoryIDs-v.total)
	return inv, nil
}

// fill adds ids as far as there is room, and returns how many were new.
func (v *inventories) fill(inv *inventory, ids []string, room int) (added int) {
	for _, id := range ids {
		if _, known := inv.ids[id]; known {
			continue
		}
		if pki.CheckID(id) != nil || added >= room {
			inv.cut = true
			continue
		}
		inv.ids[id] = struct{}{}
		added++
	}
	return added
}

// take applies one request of a syndic and says what to answer.
func (v *inventories) take(id string, req *wire.InventoryRequest) (wire.InventoryReply, error) {
	if req.Below.Len() > maxBelow {
		return wire.InventoryReply{}, fmt.Errorf("%d syndics below %q", req.Below.Len(), id)
	}
	v.taking.Lock()
	defer v.taking.Unlock()
	reply, changed := v.apply(id, req)
	if changed == nil {
		return reply, nil
	}
	if err := v.save(changed); err != nil {
		v.log.Error("Inventory of a syndic not stored", "syndic", id, "err", err)
	}
	return reply, nil
}

// apply changes what is in memory; changed is what the file should say from now on.
func (v *inventories) apply(id string, req *wire.InventoryRequest) (reply wire.InventoryReply, changed *wire.InventoryRequest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	inv := v.bySyndic[id]
	switch {
	case req.Full:
		inv = v.replace(id, req)
	case inv == nil:
		return wire.InventoryReply{WantFull: true}, nil
	case req.Seq == inv.seq:
		// The same change once more, because its answer was lost, or none: after a start event or a restart of this
		// master it says that the list still holds.
		if req.Below != nil {
			inv.below = req.Below
		}
		inv.current = true
		return wire.InventoryReply{Seq: inv.seq}, nil
	case req.Seq != inv.seq+1:
		inv.current = false
		return wire.InventoryReply{Seq: inv.seq, WantFull: true}, nil
	default:
		v.change(id, inv, req)
	}
	inv.current = true
	return wire.InventoryReply{Seq: inv.seq}, &wire.InventoryRequest{
		ID: id, Full: true, Seq: inv.seq, Add: slices.Collect(maps.Keys(inv.ids)), Below: inv.below,
	}
}

func (v *inventories) replace(id string, req *wire.InventoryRequest) *inventory {
	old := v.bySyndic[id]
	if old != nil {
		v.total -= len(old.ids)
	}
	inv := &inventory{ids: make(map[string]struct{}, min(len(req.Add), maxInventoryIDs)), seq: req.Seq, below: req.Below}
	v.total += v.fill(inv, req.Add, maxInventoryIDs-v.total)
	v.bySyndic[id] = inv
	if old == nil || !sameIDs(old.ids, inv.ids) {
		v.generation++
	}
	v.warnCut(id, inv)
	return inv
}

func (v *inventories) change(id string, inv *inventory, req *wire.InventoryRequest) {
	gone := 0
	for _, id := range req.Del {
		if _, known := inv.ids[id]; known {
			delete(inv.ids, id)
			gone++
		}
	}
	v.total -= gone
	added := v.fill(inv, req.Add, maxInventoryIDs-v.total)
	v.total += added
	if gone+added > 0 {
		v.generation++
	}
	inv.seq = req.Seq
	if req.Below != nil {
		inv.below = req.Below
	}
	v.warnCut(id, inv)
}

func (v *inventories) warnCut(id string, inv *inventory) {
	if inv.cut {
		v.log.Warn("Inventory of a syndic holds what is no id or too many", "syndic", id, "kept", len(inv.ids), "limit", maxInventoryIDs)
	}
}

// save writes the file anew. It is not synced: what a power cut damages, the syndic is asked for again.
func (v *inventories) save(list *wire.InventoryRequest) error {
	slices.Sort(list.Add)
	raw, err := list.AppendLoad(nil, wire.Proof{})
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(v.dir, ".new*")
	if err != nil {
		return err
	}
	_, err = temp.Write(raw)
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(v.dir, list.ID))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

func sameIDs(a, b map[string]struct{}) bool {
	if len(a) != len(b) {
		return false
	}
	for id := range a {
		if _, ok := b[id]; !ok {
			return false
		}
	}
	return true
}

// restarted marks the list of a syndic that has just started: it may be another one by now.
func (v *inventories) restarted(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if inv := v.bySyndic[id]; inv != nil {
		inv.current = false
	}
}

// forget drops the list of a syndic whose key is gone.
func (v *inventories) forget(id string) error {
	v.taking.Lock()
	defer v.taking.Unlock()
	v.mu.Lock()
	inv := v.bySyndic[id]
	if inv != nil {
		v.total -= len(inv.ids)
		delete(v.bySyndic, id)
		v.generation++
	}
	v.mu.Unlock()
	if inv == nil {
		return nil
	}
	if err := os.Remove(filepath.Join(v.dir, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syndics lists the ids that have an inventory.
func (v *inventories) syndics() []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	ids := make([]string, 0, len(v.bySyndic))
	for id := range v.bySyndic {
		ids = append(ids, id)
	}
	return ids
}

func (v *inventories) age() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.generation
}

// appendIDs appends the ids behind the syndics that the caller wants, some of them twice.
func (v *inventories) appendIDs(dst []string, wanted func(syndic string) bool) (ids []string, generation uint64) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for syndic, inv := range v.bySyndic {
		if !wanted(syndic) {
			continue
		}
		for id := range inv.ids {
			dst = append(dst, id)
		}
	}
	return dst, v.generation
}

// inventoryState is what counts for one syndic.
type inventoryState struct {
	Minions int
	Seq     uint64
	Current bool // the list is whole, and so are those of the syndics below it
}

func (v *inventories) state(id string) inventoryState {
	v.mu.RLock()
	defer v.mu.RUnlock()
	inv := v.bySyndic[id]
	if inv == nil {
		return inventoryState{}
	}
	s := inventoryState{Minions: len(inv.ids), Seq: inv.seq, Current: inv.current && !inv.cut}
	for _, below := range inv.below.All() {
		if below == false {
			s.Current = false
		}
	}
	return s
}

// takeInventory answers `_saltern_inventory`. Like missedPubs it is for syndics only.
func (m *Master) takeInventory(r *request) ([]byte, error) {
	if r.level < 2 || !m.syndics.has(r.id) {
		m.stats.unknown.Add(1)
		return valueEmptyMap, nil
	}
	req, err := wire.ParseInventoryRequest(r.load)
	if err != nil {
		return nil, err
	}
	m.syndics.heard(r.id, m.now(), nil)
	reply, err := m.inventories.take(r.id, &req)
	if err != nil {
		return nil, err
	}
	return reply.Append(nil), nil
}

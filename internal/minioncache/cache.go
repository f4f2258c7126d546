package minioncache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/saltern-io/saltern/internal/wire"
)

// MaxFile is the largest record that is read back, in bytes: a larger file is an error, not a
// reason to fill the memory.
const MaxFile = 64 << 20

// ErrID means that an id cannot be the name of a directory.
var ErrID = errors.New("id cannot name a directory")

// Cache is the directory `<cachedir>/minions`.
type Cache struct {
	dir string
	mu  sync.Mutex // serialises read-change-write of mine records
}

// Open returns the cache below cachedir, making its directory (0755, as stock) when missing.
func Open(cachedir string) (*Cache, error) {
	dir := filepath.Join(cachedir, "minions")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the minion data cache: %w", err)
	}
	return &Cache{dir: dir}, nil
}

// StoreData replaces the record of one minion. grains and pillar are MessagePack values as they
// came over the wire (checked), rewritten here for the file.
func (c *Cache) StoreData(id string, grains, pillar []byte) error {
	rec := wire.AppendMapHeader(nil, 2)
	rec = wire.AppendStr(rec, "grains", wire.Local)
	rec = wire.Transcode(rec, grains, wire.Local)
	rec = wire.AppendStr(rec, "pillar", wire.Local)
	rec = wire.Transcode(rec, pillar, wire.Local)
	return c.write(id, "data.p", rec)
}

// Data returns the grains and pillar of one minion; ok is false when nothing is stored.
func (c *Cache) Data(id string) (grains, pillar *wire.Map, ok bool, err error) {
	m, err := c.read(id, "data.p")
	if err != nil || m == nil {
		return nil, nil, false, err
	}
	return m.Map("grains"), m.Map("pillar"), true, nil
}

// Has reports whether grains and pillar of one minion are stored, without reading them.
func (c *Cache) Has(id string) bool {
	path, err := c.path(id, "data.p")
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// Mine returns the mine record of one minion, nil when there is none.
func (c *Cache) Mine(id string) (*wire.Map, error) { return c.read(id, "mine.p") }

// UpdateMine merges values over the minion's record key by key.
func (c *Cache) UpdateMine(id string, values *wire.Map) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	record, err := c.read(id, "mine.p")
	if err != nil {
		return err
	}
	if record == nil {
		record = wire.NewMap()
	}
	for k, v := range values.All() {
		record.Set(k, v)
	}
	return c.writeMine(id, record)
}

// ReplaceMine makes values the whole record of the minion.
func (c *Cache) ReplaceMine(id string, values *wire.Map) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeMine(id, values)
}

// DeleteMine removes one function from the minion's record; removing what is not there is no error.
func (c *Cache) DeleteMine(id, fun string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	record, err := c.read(id, "mine.p")
	if err != nil || record == nil {
		return err
	}
	record.Delete(fun)
	return c.writeMine(id, record)
}

// FlushMine forgets the minion's mine; existed tells whether there was one.
func (c *Cache) FlushMine(id string) (existed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, err := c.path(id, "mine.p")
	if err != nil {
		return false, err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Forget removes everything that is kept of one minion.
func (c *Cache) Forget(id string) error {
	path, err := c.path(id, "")
	if err != nil {
		return err
	}
	return os.RemoveAll(path)
}

func (c *Cache) writeMine(id string, record *wire.Map) error {
	data, err := wire.Encode(record, wire.Local)
	if err != nil {
		return fmt.Errorf("encode the mine of %q: %w", id, err)
	}
	return c.write(id, "mine.p", data)
}

func (c *Cache) path(id, name string) (string, error) {
	if id == "" || id == "." || id == ".." || strings.ContainsAny(id, "/\\\x00") {
		return "", fmt.Errorf("minion data of %q: %w", id, ErrID)
	}
	return filepath.Join(c.dir, id, name), nil
}

func (c *Cache) read(id, name string) (*wire.Map, error) {
	path, err := c.path(id, name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read minion data: %w", err)
	}
	if info.Size() > MaxFile {
		return nil, fmt.Errorf("read minion data: %s has %d bytes, the limit is %d", path, info.Size(), MaxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read minion data: %w", err)
	}
	m, err := wire.DecodeMap(data, wire.Local, wire.LoadLimits)
	if err != nil {
		return nil, fmt.Errorf("read minion data %s: %w", path, err)
	}
	return m, nil
}

func (c *Cache) write(id, name string, data []byte) error {
	path, err := c.path(id, name)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("store minion data: %w", err)
	}
	tmp, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return fmt.Errorf("store minion data: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("store minion data of %q: %w", id, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("store minion data of %q: %w", id, err)
	}
	return nil
}

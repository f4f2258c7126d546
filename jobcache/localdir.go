package jobcache

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrHashType is returned for a hash_type that LocalDir does not know.
var ErrHashType = errors.New("unknown hash_type")

// LocalDir writes and reads the part of stock's job directory that stock clients open themselves: the load
// and the minion lists of a job (spec: job-cache §2). Returns are not kept here.
//
//	<Root>/8b/38c6…af83d/jid              text of the job id
//	                     .load.p          the load, bytes as given
//	                     .minions.p       matched minions, old-spec MessagePack list
//	                     .minions.<syndic>.p
//	                     nocache          empty marker
//
// Every file appears whole (temporary file and rename), but is not synced: the Store is what must survive.
// Methods may be called from any goroutine; the last of two writers of one file wins.
type LocalDir struct {
	Root     string      // <cachedir>/jobs; made when missing
	HashType string      // hash_type: md5, sha1, sha224, sha256, sha384, sha512; "" = sha256
	DirMode  fs.FileMode // of directories made here; 0 = 0700
	FileMode fs.FileMode // of files; 0 = 0600
}

const (
	fileJID     = "jid"
	fileNoCache = "nocache"
	fileLoad    = ".load.p"
	fileMinions = ".minions.p"
	fileEndTime = "endtime"
	fileReturn  = "return.p"
	fileOut     = "out.p"

	prefixMinions = ".minions."
	suffixPacked  = ".p"
	prefixTemp    = ".saltern-tmp-"
)

// Dir returns the directory of a job: Root, first two hex digits of the hash of the job id, the rest.
func (d LocalDir) Dir(jid string) (string, error) {
	if err := checkJID(jid); err != nil {
		return "", err
	}
	h, err := newHash(d.HashType)
	if err != nil {
		return "", err
	}
	h.Write([]byte(jid))
	sum := hex.EncodeToString(h.Sum(nil))
	return filepath.Join(d.Root, sum[:2], sum[2:]), nil
}

func newHash(hashType string) (hash.Hash, error) {
	switch strings.ToLower(hashType) {
	case "", "sha256":
		return sha256.New(), nil
	case "md5":
		return md5.New(), nil
	case "sha1":
		return sha1.New(), nil
	case "sha224":
		return sha256.New224(), nil
	case "sha384":
		return sha512.New384(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrHashType, hashType)
}

// Prepare makes the job's directory and its jid file (stock's prep_jid with a given id).
func (d LocalDir) Prepare(jid string) error {
	dir, err := d.prepare(jid)
	if err != nil {
		return fmt.Errorf("prepare directory of job %q: %w", jid, err)
	}
	return d.write(dir, fileJID, []byte(jid))
}

func (d LocalDir) prepare(jid string) (dir string, err error) {
	if dir, err = d.Dir(jid); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, d.dirMode())
}

// SaveLoad writes jid, .load.p and, if minions is not nil, .minions.p (an empty list is written as such: stock
// readers insist on the file). The jid file comes first: a directory without it is rubbish to stock's cleaner.
func (d LocalDir) SaveLoad(jid string, load []byte, minions []string) error {
	if err := d.Prepare(jid); err != nil {
		return err
	}
	dir, err := d.Dir(jid)
	if err != nil {
		return err
	}
	if minions != nil {
		// Before the load: who finds a load expects its minions.
		if err := d.write(dir, fileMinions, appendRawList(nil, minions)); err != nil {
			return err
		}
	}
	return d.write(dir, fileLoad, load)
}

// MarkNoCache writes the marker that tells stock not to store returns of the job.
func (d LocalDir) MarkNoCache(jid string) error {
	dir, err := d.prepare(jid)
	if err != nil {
		return fmt.Errorf("mark job %q: %w", jid, err)
	}
	return d.write(dir, fileNoCache, nil)
}

// AddMinions writes .minions.<syndicID>.p. A syndic id that is no plain file name is refused with ErrName. A
// jid file is made if there is none: stock's cleaner removes directories without one at once.
func (d LocalDir) AddMinions(jid, syndicID string, minions []string) error {
	if !plainName(syndicID) {
		return fmt.Errorf("%w: syndic of job %q", ErrName, jid)
	}
	dir, err := d.prepare(jid)
	if err != nil {
		return fmt.Errorf("add minions to job %q: %w", jid, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, fileJID)); errors.Is(err, fs.ErrNotExist) {
		if err := d.write(dir, fileJID, []byte(jid)); err != nil {
			return err
		}
	}
	return d.write(dir, prefixMinions+syndicID+suffixPacked, appendRawList(nil, minions))
}

// Load returns the stored load; ok is false when there is none.
func (d LocalDir) Load(jid string) (load []byte, ok bool, err error) {
	dir, err := d.Dir(jid)
	if err != nil {
		return nil, false, err
	}
	load, err = os.ReadFile(filepath.Join(dir, fileLoad))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return load, err == nil, err
}

// Minions returns the sorted union of all minion lists of a job, as stock's get_load does. A job without a
// list has none.
func (d LocalDir) Minions(jid string) ([]string, error) {
	dir, err := d.Dir(jid)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if !minionsFile(e.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		list, err := parseRawList(b)
		if err != nil {
			return nil, fmt.Errorf("read %s of job %q: %w", e.Name(), jid, err)
		}
		all = append(all, list...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func minionsFile(name string) bool {
	return strings.HasPrefix(name, prefixMinions) && strings.HasSuffix(name, suffixPacked)
}

// plainName tells whether s can be a part of a file name.
func plainName(s string) bool {
	return validName(s) && len(s) <= MaxName-len(prefixMinions)-len(suffixPacked) &&
		s != "." && s != ".." && !strings.ContainsAny(s, `/\`)
}

func (d LocalDir) dirMode() fs.FileMode {
	if d.DirMode != 0 {
		return d.DirMode
	}
	return 0o700
}

func (d LocalDir) fileMode() fs.FileMode {
	if d.FileMode != 0 {
		return d.FileMode
	}
	return 0o600
}

// write puts a whole file in place.
func (d LocalDir) write(dir, name string, content []byte) error {
	f, err := os.CreateTemp(dir, prefixTemp)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(d.fileMode()), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

package pki

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// AutosignConfig holds the rules of automatic decisions; the names in brackets are Salt's options. Empty
// paths switch a rule off.
type AutosignConfig struct {
	AutoAccept     bool          // [auto_accept]
	AutosignFile   string        // [autosign_file]
	AutorejectFile string        // [autoreject_file]
	GrainsDir      string        // [autosign_grains_dir]
	StubDir        string        // <pki_dir>/minions_autosign
	StubTimeout    time.Duration // [autosign_timeout]; 0 = stubs do not age
	PermissivePKI  bool          // [permissive_pki_access]
	UserGroups     []int         // group ids of [user]; with PermissivePKI, run as root, only their files may be group-writable
	Log            *slog.Logger  // nil = silent; told about files and expressions that are ignored
}

// Autosign decides about new keys without an operator (spec: auth §7.2). Both questions are asked on every
// _auth, whatever the state of the key. Files are examined each time and read again when they change.
// Safe for concurrent use.
type Autosign struct {
	cfg  AutosignConfig
	log  *complaints
	now  func() time.Time
	sign *ruleFile
	deny *ruleFile

	mu     sync.Mutex
	grains map[string]*ruleFile // by file name in GrainsDir; grows no further than that directory
	swept  time.Time
}

// stubSweep is how often stubs of other ids are examined for age; the asked one always is.
const stubSweep = time.Minute

// NewAutosign makes an Autosign; no file needs to exist.
func NewAutosign(cfg AutosignConfig) *Autosign {
	a := &Autosign{cfg: cfg, log: newComplaints(cfg.Log), now: time.Now, grains: make(map[string]*ruleFile)}
	a.sign = a.file(cfg.AutosignFile)
	a.deny = a.file(cfg.AutorejectFile)
	return a
}

func (a *Autosign) file(path string) *ruleFile {
	return &ruleFile{path: path, permitted: a.permitted, log: newComplaints(a.cfg.Log)}
}

// Rejects tells whether autoreject_file names the id.
func (a *Autosign) Rejects(id string) bool {
	if CheckID(id) != nil {
		return false
	}
	return a.deny.matchID(id)
}

// Signs tells whether the id is accepted unasked: by auto_accept, autosign_file, a stub, which is used up,
// or one of the grains it sent, in this order. grains maps names to str, int, float, bool or nil values;
// values of other types match nothing. An invalid id is never signed.
func (a *Autosign) Signs(id string, grains map[string]any) bool {
	if CheckID(id) != nil {
		return false
	}
	return a.cfg.AutoAccept || a.sign.matchID(id) || a.useStub(id) || a.signsGrains(grains)
}

func (a *Autosign) useStub(id string) bool {
	if a.cfg.StubDir == "" {
		return false
	}
	a.sweepStubs()
	path := filepath.Join(a.cfg.StubDir, id)
	stamp, err := stampFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.log.warn("Autosign stub is not readable", "minion", id, "err", err)
		}
		return false
	}
	if !stamp.regular() {
		return false
	}
	fresh := !a.stale(stamp)
	// Whoever removes it has used it: of two requests at once only one is signed.
	if err := os.Remove(path); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.log.warn("Autosign stub cannot be removed, so it does not count", "minion", id, "err", err)
		}
		return false
	}
	return fresh
}

func (a *Autosign) stale(stamp fileStamp) bool {
	return a.cfg.StubTimeout > 0 && a.now().UnixNano()-stamp.mtime > int64(a.cfg.StubTimeout)
}

// sweepStubs deletes stubs that have outlived the timeout.
func (a *Autosign) sweepStubs() {
	if a.cfg.StubTimeout <= 0 {
		return
	}
	a.mu.Lock()
	due := a.now().Sub(a.swept) >= stubSweep
	if due {
		a.swept = a.now()
	}
	a.mu.Unlock()
	if !due {
		return
	}
	entries, err := os.ReadDir(a.cfg.StubDir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.log.warn("Autosign stubs are not readable", "path", a.cfg.StubDir, "err", err)
		}
		return
	}
	for _, entry := range entries {
		path := filepath.Join(a.cfg.StubDir, entry.Name())
		stamp, err := stampFile(path)
		if err != nil || !stamp.regular() || !a.stale(stamp) {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.warn("Old autosign stub cannot be removed", "path", path, "err", err)
		}
	}
}

// signsGrains walks the files of the directory: a name that was sent never becomes a path.
func (a *Autosign) signsGrains(grains map[string]any) bool {
	if a.cfg.GrainsDir == "" || len(grains) == 0 {
		return false
	}
	entries, err := os.ReadDir(a.cfg.GrainsDir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.log.warn("Autosign grains are not readable", "path", a.cfg.GrainsDir, "err", err)
		}
		return false
	}
	for _, entry := range entries {
		value, sent := grains[entry.Name()]
		if !sent || entry.IsDir() {
			continue
		}
		text, ok := pythonString(value)
		if ok && a.grainFile(entry.Name()).hasLine(text) {
			return true
		}
	}
	return false
}

func (a *Autosign) grainFile(name string) *ruleFile {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.grains[name]
	if f == nil {
		f = a.file(filepath.Join(a.cfg.GrainsDir, name))
		a.grains[name] = f
	}
	return f
}

// permitted applies Salt's rule: a file that others may write, or its group without leave, decides nothing.
func (a *Autosign) permitted(stamp fileStamp) bool {
	perm := stamp.perm()
	if perm&0o002 != 0 {
		return false
	}
	if perm&0o020 == 0 {
		return true
	}
	return a.cfg.PermissivePKI && (os.Geteuid() != 0 || slices.Contains(a.cfg.UserGroups, int(stamp.gid)))
}

// ruleLines are the lines of a rule file that say something.
func ruleLines(text string) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimFunc(line, isSpace)
		if line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/saltern-io/saltern/internal/config"
)

// Bits of a mode that must not be set.
const (
	noneForOthers   fs.FileMode = 0o077
	noWriteByOthers fs.FileMode = 0o022
	noWorldWrite    fs.FileMode = 0o002
	noWorldAccess   fs.FileMode = 0o007
)

// expectation is what a path should be like; it may be missing unless must is set.
type expectation struct {
	path, what string
	dir, must  bool
	forbidden  fs.FileMode
	level      Level // of a wrong mode; Warning when OK
	mode       string
	option     string
}

// files checks the modes and owners of what the daemons keep (spec: key-management-cli §2.2,
// config-and-daemons §6.2).
func (c *checker) files() {
	m := c.master
	pki := noneForOthers
	pkiMode := "700"
	if m.PermissivePKIAccess {
		pki, pkiMode = 0o027, "750"
	}
	list := []expectation{
		{path: m.SockDir, what: "sock_dir", dir: true, forbidden: noWriteByOthers, mode: "755"},
		{path: m.CacheDir, what: "cachedir", dir: true, forbidden: noWorldWrite, mode: "755"},
		{path: filepath.Join(m.CacheDir, "."+m.User+"_key"), what: "the local client's key", forbidden: noneForOthers, mode: "600"},
		{path: filepath.Join(m.CacheDir, "sessions"), what: "session keys", dir: true, forbidden: noWriteByOthers, mode: "700"},
		{path: filepath.Join(m.CacheDir, "saltern", "aes"), what: "the shared key", forbidden: noneForOthers, mode: "600"},
	}
	if c.has(RoleMaster) {
		list = append(list, expectation{path: m.PKIDir, what: "pki_dir", dir: true, forbidden: pki & 0o027, mode: pkiMode, option: "pki_dir"})
		for _, state := range []string{"minions", "minions_pre", "minions_rejected", "minions_denied", "minions_autosign"} {
			list = append(list, expectation{path: filepath.Join(m.PKIDir, state), what: "key directory", dir: true, forbidden: noWriteByOthers, mode: "755"})
		}
		list = append(list, c.pems(m.PKIDir)...)
		for _, f := range []struct{ option, path string }{{"autosign_file", m.AutosignFile}, {"autoreject_file", m.AutorejectFile}} {
			if f.path == "" || f.path == "/" {
				continue
			}
			bad := noWriteByOthers
			if m.PermissivePKIAccess {
				bad = noWorldWrite
			}
			list = append(list, expectation{path: f.path, what: "it is ignored when others can write it", forbidden: bad, mode: "644", option: f.option, must: true})
		}
	}
	if c.syndic != nil {
		list = append(list, expectation{path: c.syndic.PKIDir, what: "the minion's pki_dir", dir: true, forbidden: noWriteByOthers, mode: "700"})
		list = append(list, c.pems(c.syndic.PKIDir)...)
	}
	good := 0
	for _, e := range list {
		if c.expect(e) {
			good++
		}
	}
	c.secretFiles()
	c.ok(AreaFiles, "", "%s with the right modes and owners", count(good, "path"))
}

func (c *checker) pems(dir string) []expectation {
	paths, _ := filepath.Glob(filepath.Join(dir, "*.pem")) // the pattern is well formed but for brackets in dir
	var list []expectation
	for _, p := range paths {
		list = append(list, expectation{path: p, what: "a private key", forbidden: noneForOthers, mode: "400"})
	}
	return list
}

// expect checks one path and reports whether it is there and good.
func (c *checker) expect(e expectation) bool {
	info, err := os.Stat(e.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if e.must {
			c.add(Finding{Level: Warning, Area: AreaFiles, Option: e.option, Where: e.path, What: "does not exist", Hint: "touch " + quote(e.path)})
		}
		return false
	case errors.Is(err, fs.ErrPermission):
		c.add(Finding{Level: Warning, Area: AreaFiles, Where: e.path, What: "cannot be looked at by this user", Hint: "run the check as root"})
		return false
	case err != nil:
		c.add(Finding{Level: Fault, Area: AreaFiles, Where: e.path, What: err.Error()})
		return false
	case info.IsDir() != e.dir:
		want := map[bool]string{true: "a directory", false: "a file"}[e.dir]
		c.add(Finding{Level: Fault, Area: AreaFiles, Option: e.option, Where: e.path, What: "is not " + want})
		return false
	}
	good := true
	if bad := info.Mode().Perm() & e.forbidden; bad != 0 && !(e.dir && info.Mode()&fs.ModeSticky != 0) {
		c.add(Finding{
			Level: max(e.level, Warning), Area: AreaFiles, Option: e.option, Where: e.path,
			What: fmt.Sprintf("mode %04o lets others in (%s)", info.Mode().Perm(), e.what), Hint: "chmod " + e.mode + " " + quote(e.path),
		})
		good = false
	}
	return c.owner(e, info) && good
}

// owner wants a path to belong to the daemon's account, or to root, who gives it away at the next start.
func (c *checker) owner(e expectation, info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || c.account == nil || int(st.Uid) == c.account.UID {
		return true
	}
	chown := fmt.Sprintf("chown -h %s %s", c.account.Name, quote(e.path))
	if st.Uid == 0 {
		c.add(Finding{
			Level: Note, Area: AreaFiles, Where: e.path,
			What: fmt.Sprintf("belongs to root; a start as root gives it to %s", c.account.Name), Hint: chown,
		})
		return true
	}
	c.add(Finding{
		Level: Warning, Area: AreaFiles, Where: e.path,
		What: fmt.Sprintf("belongs to %s, the daemon runs as %s", userName(st.Uid), c.account.Name), Hint: chown,
	})
	return false
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

// secretFiles names configuration files that hold a passphrase and can be read by everybody.
func (c *checker) secretFiles() {
	found := map[string][]string{}
	for _, o := range config.Options() {
		v := c.master.Raw.Get(o.Name)
		if !o.Secret || v == nil || v.File == "" {
			continue
		}
		if s, ok := v.Text(); ok && s != "" && !strings.HasPrefix(s, "sdb://") && !slices.Contains(found[v.File], o.Name) {
			found[v.File] = append(found[v.File], o.Name)
		}
	}
	for file, options := range found {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm()&noWorldAccess == 0 {
			continue
		}
		c.add(Finding{
			Level: Warning, Area: AreaFiles, Where: file, Option: strings.Join(options, ", "),
			What: fmt.Sprintf("everybody on this host can read the secret (mode %04o)", info.Mode().Perm()), Hint: "chmod o-rwx " + quote(file),
		})
	}
}

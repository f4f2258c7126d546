package check

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	connectionsPerMinion = 2   // one to each port
	reservedFiles        = 256 // the daemon's own files, stores and command connections

	lowDisk     = 512 << 20 // bytes below which somebody should look
	noDisk      = 32 << 20  // bytes below which a job cannot be kept
	lowInodes   = 10000
	noInodes    = 500
	lowFraction = 20 // a twentieth
)

func (c *checker) limits() {
	if !c.o.Quick && c.has(RoleMaster) {
		c.openFiles()
	}
	c.backlog()
	seen := map[uint64]bool{}
	for _, p := range []struct{ option, path string }{
		{"cachedir", c.master.CacheDir},
		{"pki_dir", c.master.PKIDir},
		{"saltern_jobcache_dir", c.master.JobCacheDir},
		{"log_file", c.master.LogFile},
	} {
		if strings.Contains(p.path, "://") {
			continue
		}
		c.space(p.option, p.path, seen)
	}
}

// openFiles compares the descriptor limit with what the accepted minions need.
func (c *checker) openFiles() {
	keys, err := countFiles(filepath.Join(c.master.PKIDir, "minions"))
	if err != nil {
		c.add(Finding{Level: Note, Area: AreaLimits, What: "accepted keys cannot be counted: " + err.Error()})
		return
	}
	syndics, _ := countFiles(c.master.SyndicDir) // it exists only where syndics were seen
	need := uint64(keys*connectionsPerMinion + syndics*connectionsPerMinion + reservedFiles)
	soft, from, err := c.fileLimit()
	if err != nil {
		c.add(Finding{Level: Note, Area: AreaLimits, What: "the limit of open files cannot be read: " + err.Error()})
		return
	}
	text := fmt.Sprintf("%s and %s need about %d open files, the limit is %d (%s)", count(keys, "accepted minion"), count(syndics, "syndic"), need, soft, from)
	if soft >= need {
		c.ok(AreaLimits, "", "%s", text)
		return
	}
	c.add(Finding{
		Level: Warning, Area: AreaLimits, Option: "max_open_files", Where: c.master.Raw.Get("max_open_files").Pos(), What: text,
		Hint: fmt.Sprintf("set max_open_files: %d, and: systemctl edit salt-master   # [Service] LimitNOFILE=%d", 2*need, 2*need),
	})
}

// fileLimit is the limit of the running master, else what a master started here could raise its own to.
func (c *checker) fileLimit() (limit uint64, from string, err error) {
	if pid := c.runningPID(c.master.PIDFile); pid > 0 {
		if soft, err := c.limitOf(pid); err == nil {
			return soft, fmt.Sprintf("of the running master, pid %d", pid), nil
		}
	}
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, "", err
	}
	if m := uint64(max(c.master.MaxOpenFiles, 0)); m > r.Cur && m < r.Max {
		return m, "max_open_files", nil
	}
	return r.Max, "the hard limit of this shell", nil
}

func (c *checker) limitOf(pid int) (uint64, error) {
	f, err := os.Open(filepath.Join(c.o.Proc, strconv.Itoa(pid), "limits"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		rest, ok := strings.CutPrefix(s.Text(), "Max open files")
		if !ok {
			continue
		}
		if fields := strings.Fields(rest); len(fields) > 0 {
			return strconv.ParseUint(fields[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("no limit in the process's list")
}

// countFiles counts the names in a directory that do not start with a dot; a missing one has none.
func countFiles(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return 0, nil
	}
	n := 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			n++
		}
	}
	return n, err
}

// backlog compares zmq_backlog with what the kernel allows.
func (c *checker) backlog() {
	path := filepath.Join(c.o.Proc, "sys/net/core/somaxconn")
	b, err := os.ReadFile(path)
	if err != nil {
		return // not a Linux /proc, or hidden in a container
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || most >= c.master.ZMQBacklog || !c.has(RoleMaster) {
		return
	}
	c.add(Finding{
		Level: Warning, Area: AreaLimits, Option: "zmq_backlog", Where: path,
		What: fmt.Sprintf("the kernel queues %d connections that are not accepted yet, zmq_backlog asks for %d", most, c.master.ZMQBacklog),
		Hint: fmt.Sprintf("sysctl -w net.core.somaxconn=%d", c.master.ZMQBacklog),
	})
}

// space checks the file system a path is or will be on, each once.
func (c *checker) space(option, path string, seen map[uint64]bool) {
	dir := path
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			break
		}
		if dir == filepath.Dir(dir) {
			return
		}
		dir = filepath.Dir(dir)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if seen[uint64(st.Dev)] {
			return
		}
		seen[uint64(st.Dev)] = true
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		c.add(Finding{Level: Note, Area: AreaLimits, Where: dir, What: "free space cannot be read: " + err.Error()})
		return
	}
	free, total := uint64(s.Bsize)*s.Bavail, uint64(s.Bsize)*s.Blocks
	level := OK
	switch {
	case free < noDisk, s.Files > 0 && s.Ffree < noInodes:
		level = Fault
	case free < lowDisk, free < total/lowFraction, s.Files > 0 && (s.Ffree < lowInodes || s.Ffree < s.Files/lowFraction):
		level = Warning
	}
	f := Finding{Level: level, Area: AreaLimits, Option: option, Where: dir, What: fmt.Sprintf("%s free of %s", bytesText(free), bytesText(total))}
	if s.Files > 0 {
		f.What += fmt.Sprintf(", %d files free of %d", s.Ffree, s.Files)
	}
	if level > OK {
		f.Hint = "du -xh --max-depth=2 " + quote(dir) + " | sort -h | tail"
	}
	c.add(f)
}

func bytesText(n uint64) string {
	const unit = 1024
	value, names := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for value >= unit && i < len(names)-1 {
		value /= unit
		i++
	}
	return fmt.Sprintf("%.1f %s", value, names[i])
}

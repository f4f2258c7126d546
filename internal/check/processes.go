package check

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/saltern-io/saltern/internal/lifecycle"
)

// process is one process of this host that matters here.
type process struct {
	pid  int
	role string // RoleMaster, RoleSyndic, "" for anything else
	ours bool   // saltern, not stock
	name string // the first words of its command line
}

// maxCommandLine is how much of a command line is looked at.
const maxCommandLine = 4096

// process reads what /proc tells about a pid; ok is false when there is no such process.
func (c *checker) process(pid int) (p process, ok bool) {
	dir := filepath.Join(c.o.Proc, strconv.Itoa(pid))
	raw, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return process{}, false
	}
	args := commandLine(raw)
	p = process{pid: pid, name: strings.Join(args[:min(len(args), 3)], " ")}
	exe, _ := os.Readlink(filepath.Join(dir, "exe")) // not readable for other users' processes
	p.ours = strings.HasPrefix(filepath.Base(exe), "saltern")
	p.role = roleOf(args, &p.ours)
	return p, true
}

func commandLine(raw []byte) []string {
	raw = raw[:min(len(raw), maxCommandLine)]
	var args []string
	for a := range bytes.SplitSeq(bytes.TrimRight(raw, "\x00"), []byte{0}) {
		args = append(args, strings.ToValidUTF8(string(a), "?"))
	}
	return args
}

// roleOf finds which daemon a command line starts. Stock daemons rewrite theirs into one word.
func roleOf(args []string, ours *bool) string {
	var words []string
	for _, a := range args {
		words = append(words, strings.Fields(a)...)
	}
	for i, w := range words[:min(len(words), 4)] {
		base := filepath.Base(w)
		switch base {
		case "salt-master":
			return RoleMaster
		case "salt-syndic":
			return RoleSyndic
		}
		if strings.HasPrefix(base, "saltern") && i+1 < len(words) {
			*ours = true
			if next := words[i+1]; next == RoleMaster || next == RoleSyndic {
				return next
			}
		}
	}
	return ""
}

// configDir is the -c of a command line, the default without one.
func configDir(args []string, byDefault string) string {
	var words []string
	for _, a := range args {
		words = append(words, strings.Fields(a)...)
	}
	for i, w := range words {
		for _, flag := range []string{"--config-dir=", "-c"} {
			if v, ok := strings.CutPrefix(w, flag); ok && v != "" {
				return filepath.Clean(v)
			}
		}
		if (w == "-c" || w == "--config-dir") && i+1 < len(words) {
			return filepath.Clean(words[i+1])
		}
	}
	return byDefault
}

// runningPID is the live process a pid file names, 0 when there is none.
func (c *checker) runningPID(path string) int {
	pid, err := lifecycle.ReadPIDFile(path)
	if err != nil || pid == 0 {
		return 0
	}
	if _, ok := c.process(pid); !ok {
		return 0
	}
	return pid
}

// related finds the masters and syndics of this host that use the checked configuration directory.
func (c *checker) related() []process {
	entries, err := os.ReadDir(c.o.Proc)
	if err != nil {
		return nil
	}
	dir := filepath.Dir(c.master.ConfFile)
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		p, ok := c.process(pid)
		if !ok || p.role == "" {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(c.o.Proc, e.Name(), "cmdline"))
		if err != nil || configDir(commandLine(raw), "/etc/salt") != dir {
			continue
		}
		if slices.ContainsFunc(found, func(q process) bool { return q.role == p.role && q.ours == p.ours }) {
			continue // stock runs ten processes per daemon
		}
		found = append(found, p)
	}
	return found
}

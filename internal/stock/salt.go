package stock

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Salt is one stock Salt found on the machine.
type Salt struct {
	Release string // as the release calls itself, e.g. "3006.10"
	Dir     string // source tree or prefix, absolute

	scripts    string // directory holding salt-master and the others
	python     string // interpreter that runs the scripts; empty: they run by themselves
	pythonPath []string
}

// Label is "stock".
func (s *Salt) Label() string { return "stock" }

// Argv runs the script of role, through the interpreter for a source tree.
func (s *Salt) Argv(role Role, args ...string) ([]string, error) {
	script := filepath.Join(s.scripts, string(role))
	if _, err := os.Stat(script); err != nil {
		return nil, fmt.Errorf("salt %s: %s: %w", s.Release, role, ErrRole)
	}
	argv := []string{script}
	if s.python != "" {
		argv = []string{s.python, script}
	}
	return append(argv, args...), nil
}

// Environ carries PYTHONPATH with the per-release directories first and the source tree last.
func (s *Salt) Environ() []string {
	env := baseEnviron()
	if path := s.searchPath(); len(path) > 0 {
		env = append(env, "PYTHONPATH="+strings.Join(path, string(os.PathListSeparator)))
	}
	return env
}

func (s *Salt) searchPath() []string {
	var path []string
	for _, dir := range s.pythonPath {
		for _, sub := range []string{s.Release, s.Series()} {
			if sub == "" {
				continue
			}
			own := filepath.Join(dir, sub)
			if info, err := os.Stat(own); err == nil && info.IsDir() {
				path = append(path, own)
			}
		}
		path = append(path, dir)
	}
	if s.python != "" {
		path = append(path, s.Dir)
	}
	return path
}

// Series is the part of the release before the first dot: "3006".
func (s *Salt) Series() string {
	series, _, _ := strings.Cut(s.Release, ".")
	return series
}

// Level is the wire level the release signs in with (spec: newer-salt, "Wire protocol levels").
func (s *Salt) Level() int {
	series, _ := strconv.Atoi(s.Series())
	_, rest, _ := strings.Cut(s.Release, ".")
	digits := rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = rest[:end]
	}
	minor, _ := strconv.Atoi(digits)
	switch {
	case series > 3007, series == 3007 && minor >= 4, series == 3006 && minor >= 12:
		return 3
	}
	return 2
}

// baseEnviron is the harness's environment without what would change stock Salt's behaviour.
func baseEnviron() []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		switch name {
		case "PYTHONPATH", "PYTHONHOME", "SUDO_USER", "SALT_CONFIG_DIR", "LANG", "LC_ALL", "NOTIFY_SOCKET":
			continue
		}
		env = append(env, entry)
	}
	return append(env, "LANG=C.UTF-8", "LC_ALL=C.UTF-8")
}

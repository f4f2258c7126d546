package stock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotSalt is returned for a STOCK_SALT entry that holds no Salt.
var ErrNotSalt = errors.New("neither a source tree nor a prefix of stock Salt")

// askTimeout bounds asking a program for its release; Python needs a second on a busy machine.
const askTimeout = 60 * time.Second

// Find reads STOCK_SALT, STOCK_SALT_PYTHON and STOCK_SALT_PYTHONPATH through getenv (os.Getenv) and returns
// the releases in the order given. No entry gives no release and no error. Every bad entry is reported.
func Find(ctx context.Context, getenv func(string) string) ([]*Salt, error) {
	python := getenv("STOCK_SALT_PYTHON")
	if python == "" {
		python = "python3"
	}
	var (
		found  []*Salt
		faults []error
	)
	for _, entry := range filepath.SplitList(getenv("STOCK_SALT")) {
		if entry == "" {
			continue
		}
		salt, err := open(ctx, entry, python, filepath.SplitList(getenv("STOCK_SALT_PYTHONPATH")))
		if err != nil {
			faults = append(faults, fmt.Errorf("STOCK_SALT entry %s: %w", entry, err))
			continue
		}
		found = append(found, salt)
	}
	return found, errors.Join(faults...)
}

func open(ctx context.Context, entry, python string, pythonPath []string) (*Salt, error) {
	dir, err := filepath.Abs(entry)
	if err != nil {
		return nil, err
	}
	salt := &Salt{Dir: dir, pythonPath: pythonPath}
	switch {
	case isFile(dir, "scripts", "salt-master") && isFile(dir, "salt", "version.py"):
		salt.scripts, salt.python = filepath.Join(dir, "scripts"), python
	case isFile(dir, "bin", "salt-master"):
		salt.scripts = filepath.Join(dir, "bin")
	case isFile(dir, "salt-master"):
		salt.scripts = dir
	default:
		return nil, ErrNotSalt
	}
	if salt.Release = releaseFile(dir); salt.Release != "" {
		return salt, nil
	}
	return salt, salt.ask(ctx)
}

func isFile(parts ...string) bool {
	info, err := os.Stat(filepath.Join(parts...))
	return err == nil && info.Mode().IsRegular()
}

// releaseFile reads salt/_version.txt of a source tree; "" when there is none.
func releaseFile(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "salt", "_version.txt"))
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(strings.TrimSpace(string(text)), "v")
}

// ask learns the release from "salt-master 3006.10 (Sulfur)".
func (s *Salt) ask(ctx context.Context) error {
	argv, err := s.Argv(Master, "--version")
	if err != nil {
		return err
	}
	result, err := Run(ctx, argv, s.Environ(), askTimeout)
	if err != nil {
		return fmt.Errorf("ask for the release: %w", err)
	}
	words := strings.Fields(result.Stdout)
	if result.Code != 0 || len(words) < 2 {
		return fmt.Errorf("ask for the release: status %d, %q", result.Code, result.Stdout+result.Stderr)
	}
	s.Release = words[1]
	return nil
}

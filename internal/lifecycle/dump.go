package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"
)

// maxDumpNames is how many dumps of one second get their own name.
const maxDumpNames = 100

// DumpGoroutines writes the stacks of all goroutines to exactly one new file
// <dir>/salt-debug-<seconds since the epoch>.log, mode 0600, and returns its path. An existing name
// (a second dump in one second, or a link somebody planted) is never followed; a number is added.
func DumpGoroutines(dir string) (string, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	base := filepath.Join(dir, fmt.Sprintf("salt-debug-%d", time.Now().Unix()))
	for i := range maxDumpNames {
		path := base + ".log"
		if i > 0 {
			path = fmt.Sprintf("%s-%d.log", base, i)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("write the goroutine dump: %w", err)
		}
		if err := errors.Join(pprof.Lookup("goroutine").WriteTo(f, 2), f.Close()); err != nil {
			return "", fmt.Errorf("write the goroutine dump: %w", err)
		}
		return path, nil
	}
	return "", fmt.Errorf("write the goroutine dump: %s.log and %d more exist", base, maxDumpNames-1)
}

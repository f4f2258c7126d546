package event

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// versionFiles are where an installed stock Salt keeps its version.
var versionFiles = []string{
	"/opt/saltstack/salt/lib/python3*/site-packages/salt/_version.txt",
	"/usr/lib/python3/dist-packages/salt/_version.txt",
	"/usr/lib/python3*/site-packages/salt/_version.txt",
	"/usr/local/lib/python3*/*-packages/salt/_version.txt",
}

// InstalledFraming is the framing that the stock Salt installed on this host expects, and why; bare if there is none
// (spec: newer-salt, last section).
func InstalledFraming() (f Framing, why string) {
	return installedFraming(versionFiles)
}

func installedFraming(patterns []string) (f Framing, why string) {
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return FramingBare, err.Error()
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				continue // unreadable for us: as good as not there
			}
			release := strings.TrimSpace(string(b))
			return releaseFraming(release), fmt.Sprintf("%s holds %.40q", path, release)
		}
	}
	return FramingBare, "no stock Salt is installed"
}

// releaseFraming: only the 3006 line, from 3006.26 on, has lengths.
func releaseFraming(release string) Framing {
	rest, ok := strings.CutPrefix(release, "3006.")
	if !ok {
		return FramingBare
	}
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	if n, err := strconv.Atoi(digits); err == nil && n >= 26 {
		return FramingLength
	}
	return FramingBare
}

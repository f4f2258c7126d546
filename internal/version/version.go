// Package version holds the build facts of the binary.
//
//	go build -ldflags "-X github.com/saltern-io/saltern/internal/version.commit=<hash>"
//
// It is a leaf: constants and one string, no state, safe from any goroutine.
package version

import (
	"runtime"
	"runtime/debug"
)

// Version is the release, or the coming one with the suffix -dev.
const Version = "0.1.0-dev"

// commit is set by the linker.
var commit string

// Commit is the source revision of the build, shortened; "unknown" when the build did not record one.
// A tree with local changes has the suffix "+dirty".
func Commit() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return fromBuild(info)
}

func fromBuild(info *debug.BuildInfo) string {
	const short = 12
	rev, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value[:min(short, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if rev == "" {
		return "unknown"
	}
	return rev + dirty
}

// String is one line for people: release, revision, Go release and platform.
func String() string {
	return Version + " (" + Commit() + ", " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}

package version

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestFromBuild(t *testing.T) {
	set := func(kv ...string) *debug.BuildInfo {
		b := &debug.BuildInfo{}
		for i := 0; i < len(kv); i += 2 {
			b.Settings = append(b.Settings, debug.BuildSetting{Key: kv[i], Value: kv[i+1]})
		}
		return b
	}
	for _, tc := range []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"none", set(), "unknown"},
		{"clean", set("vcs.revision", "0123456789abcdef", "vcs.modified", "false"), "0123456789ab"},
		{"dirty", set("vcs.revision", "0123456789abcdef", "vcs.modified", "true"), "0123456789ab+dirty"},
		{"short", set("vcs.revision", "abc"), "abc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := fromBuild(tc.info); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestString(t *testing.T) {
	if s := String(); !strings.HasPrefix(s, Version+" (") || !strings.Contains(s, Commit()) {
		t.Errorf("got %q", s)
	}
}

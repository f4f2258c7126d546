package config

import (
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"time"
)

// settle works out everything that depends on more than one option, in stock's order: combined
// options, forced values, the id, and root_dir last (spec: config-and-daemons §2.4, §2.5).
func (m *Master) settle(b *binder, o LoadOptions) {
	m.settleJobs()
	m.HashType = strings.ToLower(m.HashType)
	m.settleLogging()
	if m.Raw.Has("file_roots") && m.Raw.Get("file_roots").Map() == nil {
		m.FileRoots = []Environment{{Name: "base", Dirs: []string{"/srv/salt"}}}
	}
	if m.Raw.Has("pillar_roots") && m.Raw.Get("pillar_roots").Map() == nil {
		m.PillarRoots = []Environment{{Name: "base", Dirs: []string{"/srv/pillar"}}}
	}
	m.ID = masterID(m, o)
	m.TokenDir = filepath.Join(m.CacheDir, "tokens")
	m.SyndicDir = filepath.Join(m.CacheDir, "syndics")
	if len(m.SockDir) > len(m.CacheDir)+10 {
		m.SockDir = filepath.Join(m.CacheDir, ".salt-unix")
	}
	if m.JobCacheDir == "" {
		m.JobCacheDir = filepath.Join(m.CacheDir, "saltern", "jobs")
	}
	m.RootDir = absolute(m.RootDir)
	applyRoot(m, InMaster, m.RootDir, m.Raw, b.report)
	if m.MasterPubKeySignature == "" {
		m.MasterPubKeySignature = m.ID + "_pubkey_signature"
	}
}

// settleJobs folds keep_jobs (hours, the old spelling) into keep_jobs_seconds.
func (m *Master) settleJobs() {
	const kept, defaultHours = 24 * time.Hour, 24.0
	if m.KeepJobs != kept || !m.Raw.Has("keep_jobs") {
		return
	}
	v := m.Raw.Get("keep_jobs")
	if hours, err := asNumber(v); err == nil && hours != defaultHours {
		if d, err := asDuration(v, Hours); err == nil {
			m.KeepJobs = d
		}
	}
}

func (m *Master) settleLogging() {
	raw := func(name string) string {
		s, _ := m.Raw.Get(name).Text()
		return s
	}
	if m.LogLevelLogFile == "" {
		m.LogLevelLogFile = m.LogLevel
	}
	m.LogLevel, m.LogLevelLogFile = strings.ToLower(m.LogLevel), strings.ToLower(m.LogLevelLogFile)
	if !m.Raw.Has("log_fmt_console") && raw("log_fmt") != "" {
		m.LogFmtConsole = raw("log_fmt")
	}
	if !m.Raw.Has("log_fmt_logfile") {
		if s := raw("log_fmt_console"); s != "" {
			m.LogFmtLogFile = s
		} else if s := raw("log_fmt"); s != "" {
			m.LogFmtLogFile = s
		}
	}
	if s := raw("log_datefmt_console"); s != "" {
		m.LogDateFmt = s
	}
	if dir := raw("log_dir"); dir != "" {
		switch {
		case !m.Raw.Has("log_file"):
			m.LogFile = filepath.Join(dir, "master")
		case !filepath.IsAbs(m.LogFile) && !isURL(m.LogFile):
			m.LogFile = filepath.Join(dir, m.LogFile)
		}
	}
}

func isURL(path string) bool {
	for _, scheme := range []string{"file://", "udp://", "tcp://"} {
		if strings.HasPrefix(path, scheme) {
			return true
		}
	}
	return false
}

func absolute(dir string) string {
	if dir == "" {
		return "/"
	}
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return filepath.Clean(dir)
}

// underRoot is stock's rule: a path that already lies under root stays, any other one, absolute paths
// included, is joined with it.
func underRoot(root, path string) string {
	if path == "" {
		return path
	}
	if path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/") {
		return path
	}
	return filepath.Join(root, path)
}

// applyRoot rewrites every path field of *cfg. An absolute path that a file gave and root_dir moves
// elsewhere surprises people, so it is named once.
func applyRoot(cfg any, in Files, root string, tree *Map, report *Report) {
	rv := reflect.ValueOf(cfg).Elem()
	for i := range rv.NumField() {
		name := rv.Type().Field(i).Tag.Get("salt")
		o := tableIndex()[in][name]
		if name == "" || o == nil || o.Path == NotPath {
			continue
		}
		field := rv.Field(i)
		old := field.String()
		if o.Path == UnderRootUnlessURL && isURL(old) {
			continue
		}
		path := underRoot(root, old)
		field.SetString(path)
		if v := tree.Get(name); v != nil && path != old && filepath.IsAbs(old) {
			report.add(slog.LevelInfo, name, v, "Option '%s': root_dir %s turns %s into %s", name, root, old, path)
		}
	}
}

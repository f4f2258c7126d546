package check

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/saltern-io/saltern/internal/config"
)

// config checks the files of every role and decides which roles there are.
func (c *checker) config() {
	c.roles = c.o.Roles
	for _, role := range []string{RoleBroker, RoleRelay} {
		if c.has(role) || len(c.o.Roles) == 0 && present(filepath.Join(c.dir(), role)) {
			c.forwarder(role)
		}
	}
	if len(c.roles) > 0 && !c.has(RoleMaster) && !c.has(RoleSyndic) {
		return
	}
	m, report, remarks := config.LintMaster(c.o.Load)
	c.master = m
	if len(c.roles) == 0 {
		c.roles = []string{RoleMaster}
		if m != nil && m.Raw.Has("syndic_master") {
			c.roles = append(c.roles, RoleSyndic)
		}
	}
	if c.has(RoleMaster) {
		c.remarks(remarks, Warning)
		c.ok(AreaConfig, "", "master file: %s", read(m, report))
	}
	if !c.has(RoleSyndic) {
		return
	}
	s, report, remarks := config.LintSyndic(c.o.Load)
	c.syndic = s
	if c.master == nil && s != nil {
		c.master = s.Local
	}
	// The minion file is shared with a stock minion, whose options are many more than ours.
	c.remarks(remarks, Note)
	if s != nil {
		c.ok(AreaConfig, "", "syndic: id %s, %s", s.ID, count(len(s.Upstreams), "master")+" of masters: "+entries(s))
	}
	_ = report
}

// dir is the configuration directory.
func (c *checker) dir() string {
	if c.o.Load.ConfigDir != "" {
		return c.o.Load.ConfigDir
	}
	return config.DefaultConfigDir
}

// forwarder checks the file of a broker or a relay, which stand on hosts without a master as well.
func (c *checker) forwarder(role string) {
	var report *config.Report
	var remarks []config.Remark
	switch role {
	case RoleBroker:
		_, report, remarks = config.LintBroker(c.o.Load)
	case RoleRelay:
		_, report, remarks = config.LintRelay(c.o.Load)
	}
	c.remarks(remarks, Warning)
	c.ok(AreaConfig, "", "%s file: read %s", role, strings.Join(report.Files, ", "))
}

func entries(s *config.Syndic) string {
	var names []string
	for _, u := range s.Upstreams {
		names = append(names, u.Entry)
	}
	return strings.Join(names, ", ")
}

func read(m *config.Master, report *config.Report) string {
	if m == nil {
		return "cannot be used"
	}
	if len(report.Files) == 0 {
		return "none found, the defaults count"
	}
	return fmt.Sprintf("%s set in %s", count(m.Raw.Len(), "option"), strings.Join(report.Files, ", "))
}

// remarks turns what the loader says into findings; unknown is the level of an option nobody knows.
func (c *checker) remarks(remarks []config.Remark, unknown Level) {
	for _, r := range remarks {
		f := Finding{Area: AreaConfig, Option: r.Option, What: r.Text, Where: r.Pos}
		switch r.Kind {
		case config.RemarkFault:
			f.Level = Fault
			f.Hint = edit(r.Pos)
		case config.RemarkUnknown:
			f.Level = unknown
			if r.Nearest != "" {
				f.Level = Warning
				f.Hint = fmt.Sprintf("did you mean %s? %s", r.Nearest, edit(r.Pos))
			}
		case config.RemarkType:
			f.Level = Warning
			f.Hint = edit(r.Pos)
		case config.RemarkUnsupported:
			f.Level = Warning
			f.Hint = "remove it when nothing depends on it, or keep a stock master for it"
		case config.RemarkNotice:
			f.Level = Note
			if r.Level >= slog.LevelWarn {
				f.Level = Warning
			}
		default:
			f.Level = Note
		}
		c.add(f)
	}
}

// edit is the command that opens a file at its line.
func edit(pos string) string {
	if pos == "" {
		return ""
	}
	if i := strings.LastIndexByte(pos, ':'); i > 0 {
		return "${EDITOR:-vi} +" + pos[i+1:] + " " + quote(pos[:i])
	}
	return "${EDITOR:-vi} " + quote(pos)
}

// quote makes one shell word of a path.
func quote(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%=,", r)
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

package pki

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

const (
	// maxRuleFile bounds an autosign file, 4 MiB: some hundred thousand lines.
	maxRuleFile = 4 << 20
	// exprTimeout bounds one match of one expression. Expressions are the operator's, but ids are
	// anybody's, and a backtracking engine can be led astray.
	exprTimeout = 25 * time.Millisecond
)

// ruleFile is one line file, read again when it changes.
type ruleFile struct {
	path      string
	permitted func(fileStamp) bool
	log       *complaints

	mu      sync.Mutex
	stamp   fileStamp
	settled bool
	rules   *rules // nil = decides nothing
}

// rules is immutable.
type rules struct {
	lines []string
	plain []string // letters, digits, "-", "_", ".": as expression equal but for "." = any character
	exprs []rule
}

type rule struct {
	glob glob
	expr *regexp2.Regexp // nil when the line is no regular expression
}

func (f *ruleFile) current() *rules {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// Links are followed: these files are the operator's.
	path, err := filepath.EvalSymlinks(f.path)
	var stamp fileStamp
	if err == nil {
		stamp, err = stampFile(path)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.log.warn("Rule file is not readable", "path", f.path, "err", err)
		}
		f.rules, f.settled = nil, false
		return nil
	}
	if f.settled && stamp == f.stamp {
		return f.rules
	}
	f.settled, f.stamp = stamp.settled(time.Now()), stamp
	f.rules = f.read(path, stamp)
	return f.rules
}

func (f *ruleFile) read(path string, stamp fileStamp) *rules {
	if !stamp.regular() || !f.permitted(stamp) {
		f.log.warn("Rule file is ignored: wrong permissions or not a regular file", "path", f.path, "mode", stamp.perm().String())
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		f.log.warn("Rule file is not readable", "path", f.path, "err", err)
		return nil
	}
	defer file.Close()
	text, err := readBounded(file, maxRuleFile)
	if err != nil {
		f.log.warn("Rule file is not readable", "path", f.path, "err", err)
		return nil
	}
	r := &rules{lines: ruleLines(string(text))}
	for _, line := range r.lines {
		if strings.Trim(line, "-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == "" {
			r.plain = append(r.plain, line)
			continue
		}
		expr, err := compilePython(line)
		if err != nil {
			f.log.debug("Line is no regular expression, taken as a glob only", "path", f.path, "err", err)
		}
		r.exprs = append(r.exprs, rule{compileGlob(line), expr})
	}
	return r
}

// matchID tells whether a line is a glob for id or a regular expression for the whole of it.
func (f *ruleFile) matchID(id string) bool {
	r := f.current()
	if r == nil {
		return false
	}
	for _, line := range r.plain {
		if matchPlain(line, id) {
			return true
		}
	}
	for _, rule := range r.exprs {
		if rule.glob.match(id) {
			return true
		}
		if rule.expr == nil {
			continue
		}
		ok, err := rule.expr.MatchString(id)
		if err != nil {
			f.log.warn("Expression took too long, counts as no match", "path", f.path, "minion", id)
		}
		if ok {
			return true
		}
	}
	return false
}

// hasLine tells whether one line equals text.
func (f *ruleFile) hasLine(text string) bool {
	r := f.current()
	return r != nil && slices.Contains(r.lines, text)
}

// matchPlain is the whole match of an expression without any operator but ".": a line that is a host name
// is the usual case and needs no engine.
func matchPlain(line, id string) bool {
	if utf8.RuneCountInString(id) != len(line) {
		return false
	}
	i := 0
	for _, r := range id {
		// "." stands for any character but a newline, which no valid id has.
		if line[i] != '.' && rune(line[i]) != r {
			return false
		}
		i++
	}
	return true
}

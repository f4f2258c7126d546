package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ParseError is a main file that cannot be used; the daemon prints it and exits with status 1. Its
// text is the one stock Salt logs (spec: config-and-daemons §2.3).
type ParseError struct {
	Path string
	Err  error
}

// Error is stock's line.
func (e *ParseError) Error() string {
	return fmt.Sprintf("Error parsing configuration file: %s - %v", e.Path, e.Err)
}

// Unwrap gives the cause.
func (e *ParseError) Unwrap() error { return e.Err }

// maxIncludeDepth bounds includes of includes; stock Salt would recurse until it dies.
const maxIncludeDepth = 16

// loader reads one main file and what it includes.
type loader struct {
	options LoadOptions
	report  *Report
	active  []string // files being read, outermost first
}

// main reads a main file with its includes and merges them in stock's order. A missing file is an
// empty one, unless a template stands beside it. Only an unparsable main file is an error.
func (l *loader) main(path, defaultInclude string) (*Map, error) {
	l.active = []string{path}
	main, err := l.readMain(path)
	if err != nil {
		return nil, err
	}
	tree := main.clone()
	pattern := &Value{Data: defaultInclude}
	if v := main.Get("default_include"); v != nil {
		pattern = v
	}
	for _, group := range []struct {
		v     *Value
		quiet bool
	}{{pattern, true}, {main.Get("include"), false}} {
		tree.replaceAll(l.group(group.v, path, group.quiet))
	}
	return tree, nil
}

func (l *loader) readMain(path string) (*Map, error) {
	src, err := os.ReadFile(path)
	name := path
	if errors.Is(err, fs.ErrNotExist) {
		name = path + ".template"
		if src, err = os.ReadFile(name); err == nil {
			// The template's first line says that it is one; the rest is the configuration.
			i := slices.Index(src, '\n')
			src = append([]byte("#\n"), src[i+1:]...)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, derr := os.Stat(filepath.Dir(path)); errors.Is(derr, fs.ErrNotExist) {
			l.report.add(slog.LevelWarn, "", nil, "The configuration directory %s does not exist, using the defaults", filepath.Dir(path))
		}
		return &Map{}, nil
	}
	if err != nil {
		return nil, &ParseError{Path: path, Err: err}
	}
	tree, err := ParseDocument(name, src)
	if err != nil {
		return nil, &ParseError{Path: name, Err: err}
	}
	l.report.Files = append(l.report.Files, name)
	return tree, nil
}

// optional reads a file that may be missing; one that cannot be used is named and left out.
func (l *loader) optional(path string) *Map {
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l.active = []string{}
	tree, err := l.included(path)
	if err != nil {
		l.report.skipped(err)
	}
	return tree
}

// group merges every file the patterns match into one tree: patterns in list order, files sorted
// inside each pattern, merged deeply.
func (l *loader) group(patterns *Value, including string, quiet bool) *Map {
	out := &Map{}
	list, ok := []string(nil), true
	if patterns != nil {
		list, ok = asStrings(patterns)
	}
	if !ok {
		l.report.add(slog.LevelWarn, "include", patterns, "Option 'include' must be a path or a list of paths")
	}
	for _, pattern := range list {
		if pattern == "" {
			continue
		}
		path := l.expandHome(pattern)
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(including), path)
		}
		files, err := globVisible(path)
		if err != nil {
			l.report.add(slog.LevelWarn, "include", patterns, "Bad include pattern %q: %v", pattern, err)
			continue
		}
		if len(files) == 0 && !quiet {
			l.report.add(slog.LevelWarn, "include", patterns, "Warning parsing configuration file: \"include\" path/glob '%s' matches no files", path)
		}
		for _, f := range files {
			tree, err := l.included(f)
			if err != nil {
				// Stock Salt logs the file and goes on without it.
				l.report.skipped(err)
				continue
			}
			out.mergeDeep(tree)
		}
	}
	return out
}

// included reads one included file; what it includes itself overrides its own keys.
func (l *loader) included(path string) (*Map, error) {
	if slices.Contains(l.active, path) || len(l.active) > maxIncludeDepth {
		return nil, &ParseError{Path: path, Err: errors.New("the file includes itself")}
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, &ParseError{Path: path, Err: err}
	}
	tree, err := ParseDocument(path, src)
	if err != nil {
		return nil, &ParseError{Path: path, Err: err}
	}
	l.report.Files = append(l.report.Files, path)
	if !tree.Has("include") {
		return tree, nil
	}
	l.active = append(l.active, path)
	defer func() { l.active = l.active[:len(l.active)-1] }()
	merged := tree.clone()
	merged.replaceAll(l.group(tree.Get("include"), path, false))
	return merged, nil
}

// globVisible is a shell glob whose wildcards never match a leading dot; sorted.
func globVisible(pattern string) ([]string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	want := strings.Split(pattern, string(filepath.Separator))
	files = slices.DeleteFunc(files, func(f string) bool {
		got := strings.Split(f, string(filepath.Separator))
		for i := range got {
			if i < len(want) && strings.HasPrefix(got[i], ".") && !strings.HasPrefix(want[i], ".") {
				return true
			}
		}
		info, err := os.Stat(f)
		return err == nil && info.IsDir()
	})
	slices.Sort(files)
	return files, nil
}

func (l *loader) expandHome(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		if home := l.options.env("HOME"); home != "" {
			return filepath.Join(home, path[1:])
		}
	}
	return path
}

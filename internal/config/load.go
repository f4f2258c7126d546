package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DefaultConfigDir is where stock packages keep the files.
const DefaultConfigDir = "/etc/salt"

// LoadOptions says what to load. The zero value loads /etc/salt with the process environment.
type LoadOptions struct {
	// ConfigDir is the directory asked for with -c; "" = $SALT_CONFIG_DIR or /etc/salt.
	ConfigDir string
	// Overrides are options given on the command line, by option name; they win over every file.
	// Values are nil, bool, string, int, int64, float64, []string or
	// time.Duration (options that count seconds).
	Overrides map[string]any
	// Env reads an environment variable; nil = os.LookupEnv.
	Env func(name string) (string, bool)
	// Hostname names this host when an id must be derived; nil asks the system and its resolver.
	Hostname func() string
}

func (o LoadOptions) env(name string) string {
	look := o.Env
	if look == nil {
		look = os.LookupEnv
	}
	v, _ := look(name)
	return v
}

// mainFile is the path of "master" or "minion" (spec: config-and-daemons §2.1): the per-file variable
// counts only while the path asked for is the built-in default.
func (o LoadOptions) mainFile(name, variable string) string {
	dir := o.ConfigDir
	if dir == "" {
		dir = o.env("SALT_CONFIG_DIR")
	}
	if dir == "" {
		dir = DefaultConfigDir
	}
	path := filepath.Join(dir, name)
	if v := o.env(variable); v != "" && path == filepath.Join(DefaultConfigDir, name) {
		path = v
	}
	// Absolute, because a daemon changes its directory and reads the file again at a reload.
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

// DefaultMaster is the configuration without any file: stock Salt's defaults. ID is not derived.
func DefaultMaster() *Master {
	m := &Master{Raw: &Map{}}
	b := &binder{in: InMaster, report: &Report{}}
	b.bind(m, nil)
	b.bind(&m.Redis, nil)
	m.settle(b, LoadOptions{Hostname: func() string { return "" }})
	m.ID = ""
	return m
}

// LoadMaster reads the master file, its includes and the overrides (spec: config-and-daemons §2) and
// checks the result. The Report is never nil. A file that cannot be parsed gives a *ParseError and no
// Master; faults of Validate give both the Master and the joined error, so that a check can print
// everything. A daemon must not start when err is not nil.
func LoadMaster(o LoadOptions) (*Master, *Report, error) {
	m, report, err := loadMaster(o, nil)
	if err != nil {
		return nil, report, err
	}
	return m, report, m.Validate()
}

// LoadClient is LoadMaster for the client tools (salt, salt-key, …): faults that only concern the
// daemon do not stop them, the user's own file (clientFile) is laid over the master's, and Interface is
// the address to connect to (spec: config-and-daemons §2.1).
func LoadClient(o LoadOptions) (*Master, *Report, error) {
	m, report, err := loadMaster(o, clientFile)
	if err != nil {
		return nil, report, err
	}
	m.Interface = m.ClientHost()
	m.TokenFile = tokenFile(m.TokenFile, o)
	return m, report, nil
}

// tokenFile is where the client tools keep a token: the option, where a leading ~ is the home, else
// salt_token in the directory of the user's options. "" when there is none.
func tokenFile(option string, o LoadOptions) string {
	home := o.env("HOME")
	switch {
	case strings.HasPrefix(option, "~/"):
		return absolute(filepath.Join(home, option[2:]))
	case option != "":
		return absolute(option)
	}
	dir, own := clientDir(o)
	if !own {
		dir = home
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "salt_token")
}

// clientDir is salt in the user's XDG directory, and whether that exists.
func clientDir(o LoadOptions) (string, bool) {
	home := o.env("HOME")
	base := o.env("XDG_CONFIG_HOME")
	if base == "" && home != "" {
		base = filepath.Join(home, ".config")
	}
	if base == "" {
		return "", false
	}
	dir := filepath.Join(base, "salt")
	info, err := os.Stat(dir)
	return dir, err == nil && info.IsDir()
}

// clientFile is the user's options file: $SALT_CLIENT_CONFIG, else saltrc in the XDG directory when
// that exists, else ~/.saltrc; "" when there is no home.
func clientFile(o LoadOptions) string {
	if path := o.env("SALT_CLIENT_CONFIG"); path != "" {
		return path
	}
	if dir, own := clientDir(o); own {
		return filepath.Join(dir, "saltrc")
	}
	if home := o.env("HOME"); home != "" {
		return filepath.Join(home, ".saltrc")
	}
	return ""
}

// loadMaster reads the files without the final checks; extra names one more file laid over them.
func loadMaster(o LoadOptions, extra func(LoadOptions) string) (*Master, *Report, error) {
	report := &Report{}
	path := o.mainFile("master", "SALT_MASTER_CONFIG")
	l := &loader{options: o, report: report}
	tree, err := l.main(path, "master.d/*.conf")
	if err != nil {
		return nil, report, err
	}
	if extra != nil {
		tree.replaceAll(l.optional(extra(o)))
	}
	if err := override(tree, o.Overrides); err != nil {
		return nil, report, err
	}
	b := &binder{in: InMaster, report: report}
	m := &Master{Raw: tree}
	b.bind(m, tree)
	b.bind(&m.Redis, tree)
	m.ConfFile = path
	m.settle(b, o)
	b.notices(tree)
	m.faults = b.faults
	return m, report, nil
}

// override puts command line options over the tree.
func override(tree *Map, with map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(with)) {
		v, err := fromGo(with[name])
		if err != nil {
			return fmt.Errorf("override %s: %w", name, err)
		}
		tree.set(name, v)
	}
	return nil
}

func fromGo(x any) (*Value, error) {
	switch x := x.(type) {
	case nil, bool, string, int64, float64:
		return &Value{Data: x}, nil
	case int:
		return &Value{Data: int64(x)}, nil
	case time.Duration:
		return &Value{Data: x.Seconds()}, nil
	case []string:
		list := make([]*Value, len(x))
		for i, s := range x {
			list[i] = &Value{Data: s}
		}
		return &Value{Data: list}, nil
	}
	return nil, fmt.Errorf("values of type %T are not supported", x)
}

package cliargs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/saltern-io/saltern/internal/config"
)

// maxSaltfile bounds the file that holds defaults of options.
const maxSaltfile = 1 << 20

// stockNames are options whose name in a Saltfile is not that of the command line: a Saltfile has the names under which
// stock Salt keeps the values.
var stockNames = map[string]string{
	"output": "out", "output_indent": "out-indent", "output_file": "out-file", "output_file_append": "out-file-append",
	"ret": "return", "ret_config": "return_config", "ret_kwargs": "return_kwargs", "mktoken": "make-token",
	"eauth": "auth", "pidfile": "pid-file", "log_level_logfile": "log-file-level", "key_logfile": "log-file",
	"tgt_type": "", "version": "", "help": "", "saltfile": "",
}

// RegisterSaltfile gives a command the option --saltfile; ApplySaltfile has to be called before the options are used.
func RegisterSaltfile(f *pflag.FlagSet) {
	f.String("saltfile", "", "file with defaults for these options (default ./Saltfile, else ~/.salt/Saltfile)")
}

// ApplySaltfile takes values for options that were not given from the section of the program in a Saltfile: that of
// --saltfile, else Saltfile in the working directory, else ~/.salt/Saltfile (spec: config-and-daemons §2.1). Names are those
// of the options, with "_" or "-"; unknown ones are left alone, as in stock. A file that cannot be parsed and a value that
// the option does not take are errors.
func ApplySaltfile(f *pflag.FlagSet, program string) error {
	path, raw, err := readSaltfile(f.Lookup("saltfile").Value.String())
	if err != nil || path == "" {
		return err
	}
	doc, err := config.ParseDocument(path, raw)
	if err != nil {
		return &ExitError{Code: ExitGeneric, Text: path + ": " + strings.TrimPrefix(err.Error(), path+": ")}
	}
	section := doc.Get(program).Map()
	if section == nil {
		return nil
	}
	for key, value := range section.All() {
		flag := saltfileOption(f, key)
		if flag == nil || given(f, flag) {
			continue
		}
		text, ok := value.Text()
		if !ok {
			text = strings.ToLower(fmt.Sprint(value.Any())) // True of YAML is true of a flag
		}
		if err := f.Set(flag.Name, text); err != nil {
			return Usagef("%s: option --%s: %v", path, flag.Name, err)
		}
	}
	return nil
}

// saltfileOption is the option that a key of a Saltfile means, nil for none.
func saltfileOption(f *pflag.FlagSet, key any) *pflag.Flag {
	name := fmt.Sprint(key)
	if key == true {
		name = "yes" // YAML reads the name of this option as a truth value
	}
	if other, ok := stockNames[name]; ok {
		return f.Lookup(other)
	}
	if flag := f.Lookup(strings.ReplaceAll(name, "_", "-")); flag != nil {
		return flag
	}
	return f.Lookup(name)
}

// given reports whether the option is on the command line, under whichever of its spellings.
func given(f *pflag.FlagSet, flag *pflag.Flag) bool {
	found := false
	f.Visit(func(one *pflag.Flag) { found = found || one.Value == flag.Value })
	return found
}

func readSaltfile(named string) (string, []byte, error) {
	paths := []string{named}
	if named == "" {
		paths = []string{"Saltfile"}
		if home, err := os.UserHomeDir(); err == nil {
			paths = append(paths, filepath.Join(home, ".salt", "Saltfile"))
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.Mode().IsRegular() && info.Size() <= maxSaltfile:
			raw, err := os.ReadFile(path)
			return path, raw, err
		case err == nil && named != "":
			return "", nil, Usagef("--saltfile: %s is not a file of at most %d bytes", path, maxSaltfile)
		case errors.Is(err, fs.ErrNotExist) && named != "":
			return "", nil, Usagef("'%s' file does not exist.", path)
		}
	}
	return "", nil, nil
}

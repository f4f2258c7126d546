package saltkey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
)

// maxSaltfile bounds the file that holds defaults of options.
const maxSaltfile = 1 << 20

// applySaltfile takes values for options that were not given from the section salt-key of a Saltfile:
// that of --saltfile, else Saltfile in the working directory, else ~/.salt/Saltfile (spec:
// config-and-daemons §2.1). Names are those of the options, with "_" or "-".
func (o *options) applySaltfile(f *pflag.FlagSet) error {
	path, raw, err := o.readSaltfile()
	if err != nil || path == "" {
		return err
	}
	doc, err := config.ParseDocument(path, raw)
	if err != nil {
		return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: err.Error()}
	}
	section := doc.Get("salt-key").Map()
	if section == nil {
		return nil
	}
	for key, value := range section.All() {
		name := strings.ReplaceAll(fmt.Sprint(key), "_", "-")
		if key == true {
			name = "yes" // YAML reads the name of this option as a truth value
		}
		flag := f.Lookup(name)
		if flag == nil || f.Changed(name) {
			continue
		}
		text, ok := value.Text()
		if !ok {
			text = strings.ToLower(fmt.Sprint(value.Any())) // True of YAML is true of a flag
		}
		if err := f.Set(name, text); err != nil {
			return cliargs.Usagef("%s: option --%s: %v", path, name, err)
		}
	}
	return nil
}

func (o *options) readSaltfile() (string, []byte, error) {
	paths := []string{o.saltfile}
	if o.saltfile == "" {
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
		case err == nil && o.saltfile != "":
			return "", nil, cliargs.Usagef("--saltfile: %s is not a file of at most %d bytes", path, maxSaltfile)
		case errors.Is(err, fs.ErrNotExist) && o.saltfile != "":
			return "", nil, cliargs.Usagef("'%s' file does not exist.", path)
		}
	}
	return "", nil, nil
}

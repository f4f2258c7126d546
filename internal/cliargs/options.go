package cliargs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Alias gives the option called name further long spellings. They set the same value and are left out
// of the help.
func Alias(fs *pflag.FlagSet, name string, aliases ...string) {
	for _, alias := range aliases {
		twin := *fs.Lookup(name)
		twin.Name, twin.Shorthand, twin.Hidden = alias, "", true
		fs.AddFlag(&twin)
	}
}

// ownMark marks options that stock does not have.
const ownMark = "saltern"

// Own marks options that the stock command does not have. A shortened option never means one of them
// where it could mean one of stock's, so that every abbreviation that works in stock works here.
func Own(fs *pflag.FlagSet, names ...string) {
	for _, name := range names {
		flag := fs.Lookup(name)
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[ownMark] = nil
	}
}

func isOwn(flag *pflag.Flag) bool {
	_, ok := flag.Annotations[ownMark]
	return ok
}

// Changed reports whether any of the options was given; name an option together with its aliases.
func Changed(fs *pflag.FlagSet, names ...string) bool {
	return slices.ContainsFunc(names, fs.Changed)
}

// Normalize checks args against the options of fs as optparse does and rewrites them into a form
// that pflag cannot take otherwise: "--name=value" or "--name" in the order given, then "--" and the
// positional arguments. Long options may be shortened as long as they stay unambiguous.
//
// It returns a UsageError in optparse's words. spec: config-and-daemons §5, dependencies §4
func Normalize(fs *pflag.FlagSet, args []string) ([]string, error) {
	n := normalizer{fs: fs, rest: args}
	for len(n.rest) > 0 {
		arg := n.rest[0]
		n.rest = n.rest[1:]
		switch {
		case arg == "--":
			n.positional = append(n.positional, n.rest...)
			n.rest = nil
		case strings.HasPrefix(arg, "--"):
			if err := n.long(arg); err != nil {
				return nil, err
			}
		case len(arg) > 1 && arg[0] == '-':
			if err := n.short(arg[1:]); err != nil {
				return nil, err
			}
		default:
			n.positional = append(n.positional, arg)
		}
	}
	if len(n.positional) > 0 {
		n.out = append(append(n.out, "--"), n.positional...)
	}
	return n.out, nil
}

type normalizer struct {
	fs         *pflag.FlagSet
	rest       []string
	out        []string
	positional []string
}

func (n *normalizer) long(arg string) error {
	name, value, hasValue := strings.Cut(arg[2:], "=")
	flag, err := n.find(name)
	if err != nil {
		return err
	}
	shown := "--" + flag.Name
	if flag.NoOptDefVal != "" {
		if hasValue {
			return Usagef("%s option does not take a value", shown)
		}
		n.out = append(n.out, shown)
		return nil
	}
	if !hasValue {
		if value, err = n.next(shown); err != nil {
			return err
		}
	}
	return n.add(flag, shown, value)
}

// find resolves a long name: the name itself, or the only one that starts with it; stock's options come
// before our own.
func (n *normalizer) find(name string) (*pflag.Flag, error) {
	if flag := n.fs.Lookup(name); flag != nil {
		return flag, nil
	}
	var found, own []*pflag.Flag
	n.fs.VisitAll(func(f *pflag.Flag) {
		switch {
		case !strings.HasPrefix(f.Name, name):
		case isOwn(f):
			own = append(own, f)
		default:
			found = append(found, f)
		}
	})
	if len(found) == 0 {
		found = own
	}
	switch len(found) {
	case 0:
		return nil, Usagef("no such option: --%s", name)
	case 1:
		return found[0], nil
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = "--" + f.Name
	}
	slices.Sort(names)
	return nil, Usagef("ambiguous option: --%s (%s?)", name, strings.Join(names, ", "))
}

// short takes a cluster such as "vb1" or "t".
func (n *normalizer) short(cluster string) error {
	for cluster != "" {
		letter := cluster[:1]
		cluster = cluster[1:]
		flag := n.fs.ShorthandLookup(letter)
		if flag == nil {
			return Usagef("no such option: -%s", letter)
		}
		if flag.NoOptDefVal != "" {
			n.out = append(n.out, "--"+flag.Name)
			continue
		}
		value, err := cluster, error(nil)
		if value == "" {
			if value, err = n.next("-" + letter); err != nil {
				return err
			}
		}
		return n.add(flag, "-"+letter, value)
	}
	return nil
}

// next takes the following argument as the value of an option, whatever it looks like.
func (n *normalizer) next(shown string) (string, error) {
	if len(n.rest) == 0 {
		return "", Usagef("%s option requires 1 argument", shown)
	}
	value := n.rest[0]
	n.rest = n.rest[1:]
	return value, nil
}

func (n *normalizer) add(flag *pflag.Flag, shown, value string) error {
	var err error
	kind := ""
	switch flag.Value.Type() {
	case "int", "int64":
		kind = "integer"
		_, err = strconv.ParseInt(value, 0, 64)
	case "float64":
		kind = "floating-point"
		_, err = strconv.ParseFloat(value, 64)
	}
	if err != nil {
		return Usagef("option %s: invalid %s value: '%s'", shown, kind, value)
	}
	n.out = append(n.out, fmt.Sprintf("--%s=%s", flag.Name, value))
	return nil
}

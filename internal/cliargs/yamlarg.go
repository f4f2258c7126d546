package cliargs

import (
	"math/big"
	"strings"
	"unicode"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// KwargMark is the key that tells a map of keyword arguments from an ordinary last argument.
const KwargMark = "__kwarg__"

// ParseInput turns the words after a function's name into its argument list: each word through
// YAMLArg, words of the form name=value collected in one last map that starts with KwargMark. Values
// of the names in noParse stay text.
//
// spec: local-client-and-salt-cli §3
func ParseInput(words, noParse []string) []any {
	args := []any{}
	kwargs := wire.NewMap(KwargMark, true)
	for _, word := range words {
		name, value, ok := splitKwarg(word)
		switch {
		case !ok:
			args = append(args, YAMLArg(word))
		case contains(noParse, name):
			kwargs.Set(name, value)
		default:
			kwargs.Set(name, YAMLArg(value))
		}
	}
	if kwargs.Len() > 1 {
		args = append(args, kwargs)
	}
	return args
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

// splitKwarg cuts name=value. A name starts with a letter or "_" and goes on with letters, digits,
// "_", "." and "-"; "==" does not count.
func splitKwarg(word string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(word, "=")
	if !ok || name == "" || strings.HasPrefix(value, "=") || strings.Contains(value, "\n") {
		return "", "", false
	}
	for i, r := range name {
		letter := r == '_' || unicode.IsLetter(r)
		if !letter && (i == 0 || r != '.' && r != '-' && !unicode.IsDigit(r)) {
			return "", "", false
		}
	}
	return name, value, true
}

// YAMLArg reads one word as YAML in Salt's dialect and returns the word itself where that would lose
// something: blank words, several lines, digits with underscores, text with a "#", maps and lists without their
// brackets, and whatever does not parse.
func YAMLArg(word string) any {
	if strings.TrimSpace(word) == "" || strings.Contains(word, "\n") || strings.HasSuffix(word, "\t") {
		return word
	}
	if strings.Contains(word, "_") && strings.Trim(word, "0123456789_") == "" {
		return word
	}
	if word == "None" {
		return nil
	}
	value, ok := parseYAML(word)
	if !ok {
		return word
	}
	switch v := value.(type) {
	case nil:
		if word == "!" || strings.Contains(word, "#") {
			return word
		}
	case string:
		if strings.Contains(word, "#") || v == "" && (word == "|" || word == "!") {
			return word
		}
	case *wire.Map:
		if !strings.HasPrefix(word, "{") {
			return word
		}
	case []any:
		if !strings.HasPrefix(word, "[") {
			return word
		}
	case []byte:
		return word
	}
	return value
}

// parseYAML reads one line of text below the key of a document of its own, indented, so that it
// cannot add keys.
func parseYAML(text string) (any, bool) {
	doc, err := config.ParseDocument("argument", []byte("v:\n "+text))
	if err != nil || doc.Len() != 1 || !doc.Has("v") {
		return nil, false
	}
	return fromConfig(doc.Get("v")), true
}

func fromConfig(v *config.Value) any {
	switch d := v.Data.(type) {
	case *big.Int:
		if d.IsUint64() {
			return d.Uint64()
		}
		return d.String() // as Salt sends numbers that MessagePack cannot hold
	case []*config.Value:
		list := make([]any, len(d))
		for i, item := range d {
			list[i] = fromConfig(item)
		}
		return list
	case *config.Map:
		m := wire.NewMap()
		for k, item := range d.All() {
			if big, ok := k.(*big.Int); ok {
				k = big.String()
			}
			m.Set(k, fromConfig(item))
		}
		return m
	}
	return v.Data
}

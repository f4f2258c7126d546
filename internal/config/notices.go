package config

import (
	"log/slog"
	"slices"
	"strings"
)

// notices reports what a file says and this release does not do: types stock Salt would complain
// about, options without effect, and one collected line each for what is out of scope or unknown
// (spec: config-and-daemons §1, §2.6).
func (b *binder) notices(tree *Map) {
	var silent, unknown []string
	for k, v := range tree.All() {
		name, ok := k.(string)
		if !ok {
			b.report.addListed(slog.LevelWarn, "", v, "Option name %v is not a string, ignored", k)
			continue
		}
		o := b.row(name)
		if o == nil {
			unknown = append(unknown, name)
			continue
		}
		b.checkType(o, v)
		switch o.Verdict {
		case Planned, Accepted:
			b.withoutEffect(o, v)
		case Silent:
			silent = append(silent, name)
		}
	}
	if v := tree.Get("master_job_cache"); b.in == InMaster && v != nil {
		if name, _ := v.Text(); name != "local_cache" && name != "redis" {
			b.report.add(slog.LevelWarn, "master_job_cache", v, "Option 'master_job_cache': %s is not supported by this release, jobs are kept in its own store", cut(v.String()))
		}
	}
	if hash, ok := tree.Get("hash_type").Text(); ok && (strings.EqualFold(hash, "md5") || strings.EqualFold(hash, "sha1")) {
		b.report.add(slog.LevelWarn, "hash_type", tree.Get("hash_type"), "Option 'hash_type': %s is not safe, use sha256", hash)
	}
	b.collected("Options of parts that are out of scope, ignored", silent)
	b.collected("Unknown options, kept but without effect", unknown)
}

// row finds the option's row; a minion file may repeat options of the master file.
func (b *binder) row(name string) *Option {
	if o := tableIndex()[b.in][name]; o != nil {
		return o
	}
	if b.in == InMinion {
		if o := tableIndex()[InMaster][name]; o != nil && o.Verdict != Refused {
			return o
		}
	}
	return nil
}

func (b *binder) collected(text string, names []string) {
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	b.report.addListed(slog.LevelInfo, "", nil, "%s: %s", text, cut(strings.Join(names, ", ")))
}

// withoutEffect names an option that is read by nothing: a warning when the file asks for something
// other than the default and the feature is missing, else a notice.
func (b *binder) withoutEffect(o *Option, v *Value) {
	level, why := slog.LevelInfo, "has no effect here"
	if o.Verdict == Planned {
		why = "is not supported by this release"
	}
	if o.Verdict == Planned && changed(o, v) {
		level = slog.LevelWarn
	}
	b.report.addListed(level, o.Name, v, "Option '%s' %s (%s)", o.Name, why, o.About)
}

// changed reports whether the file asks for something else than the default.
func changed(o *Option, v *Value) bool {
	def := defaultValues()[o]
	return def == nil && truth(v) || def != nil && def.String() != v.String()
}

// checkType is stock's check after merging; a mismatch is only a warning.
func (b *binder) checkType(o *Option, v *Value) {
	if o.Type == Any || o.accepts(v) {
		return
	}
	shown := cut(v.String())
	if o.Secret {
		shown = "(not shown)"
	}
	b.report.addListed(slog.LevelWarn, o.Name, v,
		"Config option '%s' with value %s has an invalid type of %s, a %s is required for this option",
		o.Name, shown, v.typeName(), o.Type)
}

// accepts reports whether stock's check passes: the type itself, or what Python converts to it.
func (o *Option) accepts(v *Value) bool {
	var is Kind
	switch v.typeName() {
	case "NoneType":
		is = None
	case "bool":
		is = Bool | Int
	case "int":
		is = Int | Float
	case "float":
		is = Float
	case "str", "bytes":
		is = Str
		if s, _ := v.Text(); strings.HasPrefix(s, "sdb://") {
			return true
		}
		if _, err := asNumber(v); err == nil {
			is |= Int | Float
		}
	case "list":
		is = List
	case "dict":
		is = Dict
	}
	if o.Type&is != 0 {
		return true
	}
	// str() and bool() take every scalar.
	return o.Type&(Str|Bool) != 0 && is&(List|Dict) == 0
}

// String is the type as stock's warning and the reference page name it.
func (k Kind) String() string {
	if k == Any {
		return "any"
	}
	var names []string
	for _, n := range []struct {
		k    Kind
		name string
	}{{Str, "str"}, {Int, "int"}, {Float, "float"}, {Bool, "bool"}, {List, "list"}, {Dict, "dict"}, {None, "None"}} {
		if k&n.k != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " or ")
}

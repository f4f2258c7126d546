package config

import (
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Binding copies values of the tree into struct fields by the name in the `salt` tag, converting as
// the option's row says. A conversion that stock Salt would survive is a notice, one it would not
// survive is a fault.

type binder struct {
	in     Files
	report *Report
	faults []error
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	valueType    = reflect.TypeFor[*Value]()
	mapType      = reflect.TypeFor[*Map]()
	stringsType  = reflect.TypeFor[[]string]()
	envsType     = reflect.TypeFor[[]Environment]()
	groupsType   = reflect.TypeFor[[]Nodegroup]()
	blacklist    = reflect.TypeFor[ACLBlacklist]()
)

// defaultValues are the parsed defaults of the table.
var defaultValues = sync.OnceValue(func() map[*Option]*Value {
	out := make(map[*Option]*Value)
	for _, byName := range tableIndex() {
		for _, o := range byName {
			if o.Default == "" {
				continue
			}
			v, err := parseValue("", []byte(o.Default))
			if err != nil {
				panic(fmt.Sprintf("option table: %s: default %q: %v", o.Name, o.Default, err))
			}
			v.Line = 0
			out[o] = v
		}
	}
	return out
})

// bind fills the tagged fields of *dst: from tree where it has the option, else from the table.
func (b *binder) bind(dst any, tree *Map) {
	rv := reflect.ValueOf(dst).Elem()
	for i := range rv.NumField() {
		name := rv.Type().Field(i).Tag.Get("salt")
		if name == "" {
			continue
		}
		o := tableIndex()[b.in][name]
		if o == nil {
			panic("option table: no row for the field of " + name)
		}
		field := rv.Field(i)
		if def := defaultValues()[o]; def != nil {
			if err := assign(field, o, def); err != nil {
				panic(fmt.Sprintf("option table: %s: default %q: %v", name, o.Default, err))
			}
		}
		if v := tree.Get(name); v != nil {
			b.set(field, o, v)
		}
	}
}

func (b *binder) set(field reflect.Value, o *Option, v *Value) {
	if s, ok := v.Data.(string); ok && strings.HasPrefix(s, "sdb://") {
		b.faults = append(b.faults, newFault(o.Name, o.Secret, v, "sdb:// values cannot be resolved by this release"))
		return
	}
	if v.Data == nil && field.Kind() != reflect.Bool && o.Type&None == 0 {
		return // null is the default, except where it is a value of its own; a boolean null is false
	}
	err := assign(field, o, v)
	switch e := err.(type) {
	case nil:
	case wrongShape:
		if o.Name == "publisher_acl_blacklist" {
			// A blacklist that is not read lets people in.
			b.faults = append(b.faults, newFault(o.Name, false, v, "must be a map with the lists 'users' and 'modules'"))
			return
		}
		b.report.add(slog.LevelWarn, o.Name, v, "Option '%s' has the wrong type %s, using the default", o.Name, v.typeName())
	default:
		b.faults = append(b.faults, newFault(o.Name, o.Secret, v, "%v", e))
	}
}

// wrongShape is a value of a kind that cannot be converted and that stock Salt only warns about.
type wrongShape struct{}

func (wrongShape) Error() string { return "wrong type" }

// assign converts v into the field.
func assign(field reflect.Value, o *Option, v *Value) error {
	switch field.Type() {
	case durationType:
		d, err := asDuration(v, o.Unit)
		if err == nil {
			field.SetInt(int64(d))
		}
		return err
	case valueType:
		field.Set(reflect.ValueOf(v))
		return nil
	case mapType:
		return assignIf(field, v.Map(), v.Map() != nil)
	case stringsType:
		list, ok := asStrings(v)
		return assignIf(field, list, ok)
	case envsType:
		envs, ok := asEnvironments(v)
		return assignIf(field, envs, ok)
	case groupsType:
		groups, ok := asNodegroups(v)
		return assignIf(field, groups, ok)
	case blacklist:
		list, ok := asBlacklist(v)
		return assignIf(field, list, ok)
	}
	switch field.Kind() {
	case reflect.String:
		s, ok := v.Text()
		if v.Data == nil {
			s, ok = "", true
		}
		return assignIf(field, s, ok)
	case reflect.Bool:
		if t, isBool := v.Data.(bool); o.Strict {
			field.SetBool(isBool && t)
		} else {
			field.SetBool(truth(v))
		}
		return nil
	case reflect.Int, reflect.Int64:
		n, err := asInt(v, o)
		if err == nil {
			field.SetInt(n)
		}
		return err
	}
	panic("option table: field of unknown type " + field.Type().String())
}

func assignIf(field reflect.Value, x any, ok bool) error {
	if !ok {
		return wrongShape{}
	}
	field.Set(reflect.ValueOf(x))
	return nil
}

// truth is Python's idea of a true value: a non-empty string is true, whatever it says (spec:
// config-and-daemons §2.6).
func truth(v *Value) bool {
	switch d := v.Data.(type) {
	case nil:
		return false
	case bool:
		return d
	case int64:
		return d != 0
	case float64:
		return d != 0
	case string:
		return d != ""
	case []byte:
		return len(d) > 0
	case []*Value:
		return len(d) > 0
	case *Map:
		return d.Len() > 0
	}
	return true
}

// dynamicWriteBuffer is what ipc_write_buffer: dynamic means.
const dynamicWriteBuffer = 631912755

func asInt(v *Value, o *Option) (int64, error) {
	f, err := asNumber(v)
	if s, _ := v.Data.(string); s == "dynamic" && o.Name == "ipc_write_buffer" {
		f, err = dynamicWriteBuffer, nil
	}
	if err != nil {
		return 0, err
	}
	if n, ok := v.Data.(int64); ok {
		return n, inRange(n, o)
	}
	if f != f || math.Abs(f) >= 1<<62 {
		return 0, fmt.Errorf("is not a usable number")
	}
	return int64(f), inRange(int64(f), o)
}

func inRange(n int64, o *Option) error {
	if o.Max <= o.Min || (n >= o.Min && n <= o.Max) {
		return nil
	}
	if o.Max == maxPort {
		return fmt.Errorf("is not a port between %d and %d", o.Min, o.Max)
	}
	return fmt.Errorf("must be between %d and %d", o.Min, o.Max)
}

// asNumber reads a number, or a string of digits as stock Salt allows.
func asNumber(v *Value) (float64, error) {
	switch d := v.Data.(type) {
	case int64:
		return float64(d), nil
	case float64:
		return d, nil
	case bool:
		if d {
			return 1, nil
		}
		return 0, nil
	case *big.Int:
		f, _ := new(big.Float).SetInt(d).Float64()
		return f, nil
	case string:
		t := strings.ReplaceAll(strings.TrimSpace(d), "_", "")
		if n, err := strconv.ParseInt(t, 10, 64); err == nil {
			return float64(n), nil
		}
		if f, err := strconv.ParseFloat(t, 64); err == nil && !strings.ContainsAny(t, "xXpP") {
			return f, nil
		}
	}
	return 0, fmt.Errorf("must be a number, not a %s", v.typeName())
}

// unitLength is how long one unit lasts.
func unitLength(u Unit) time.Duration {
	switch u {
	case Milliseconds:
		return time.Millisecond
	case Minutes:
		return time.Minute
	case Hours:
		return time.Hour
	}
	return time.Second
}

// asDuration reads a number of units. Values beyond what a duration holds become the longest one.
func asDuration(v *Value, u Unit) (time.Duration, error) {
	f, err := asNumber(v)
	if err != nil {
		return 0, err
	}
	if f != f {
		return 0, fmt.Errorf("is not a usable number")
	}
	if f < 0 {
		return 0, fmt.Errorf("must not be negative")
	}
	if n, ok := v.Data.(int64); ok && n < int64(math.MaxInt64/unitLength(u)) {
		return time.Duration(n) * unitLength(u), nil
	}
	if f >= float64(math.MaxInt64)/float64(unitLength(u)) {
		return math.MaxInt64, nil
	}
	return time.Duration(f * float64(unitLength(u))), nil
}

func asStrings(v *Value) ([]string, bool) {
	if v.Data == nil {
		return nil, true
	}
	if s, ok := v.Text(); ok {
		return []string{s}, true
	}
	list, ok := v.Data.([]*Value)
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(list))
	for _, e := range list {
		s, ok := e.Text()
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func asEnvironments(v *Value) ([]Environment, bool) {
	m := v.Map()
	if m == nil {
		return nil, false
	}
	out := make([]Environment, 0, m.Len())
	for k, dirs := range m.All() {
		list, ok := asStrings(dirs)
		if !ok {
			return nil, false
		}
		name, _ := (&Value{Data: k}).Text()
		out = append(out, Environment{Name: name, Dirs: list})
	}
	return out, true
}

// asNodegroups takes a map, or a list of one-key maps; null is no group.
func asNodegroups(v *Value) ([]Nodegroup, bool) {
	var out []Nodegroup
	add := func(m *Map) {
		for k, e := range m.All() {
			name, _ := (&Value{Data: k}).Text()
			out = append(out, Nodegroup{Name: name, Expr: e})
		}
	}
	switch d := v.Data.(type) {
	case nil:
	case *Map:
		add(d)
	case []*Value:
		for _, e := range d {
			if e.Map() == nil {
				return nil, false
			}
			add(e.Map())
		}
	default:
		return nil, false
	}
	return out, true
}

func asBlacklist(v *Value) (ACLBlacklist, bool) {
	m := v.Map()
	if m == nil {
		return ACLBlacklist{}, v.Data == nil
	}
	var a ACLBlacklist
	ok1, ok2 := true, true
	if u := m.Get("users"); u != nil {
		a.Users, ok1 = asStrings(u)
	}
	if f := m.Get("modules"); f != nil {
		a.Modules, ok2 = asStrings(f)
	}
	return a, ok1 && ok2
}

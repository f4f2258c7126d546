package config

import (
	"fmt"
	"reflect"
)

// Change is one option whose value differs between two loads.
type Change struct {
	Option string
	Live   bool // false: takes effect only after a restart
}

// String is the change as one line.
func (c Change) String() string {
	if c.Live {
		return fmt.Sprintf("Option '%s' changed", c.Option)
	}
	return fmt.Sprintf("Option '%s' changed and takes effect after a restart", c.Option)
}

// Reloaded makes the snapshot a running master uses after SIGHUP: options that may change while it
// runs come from next, all others from cur. Both arguments stay as they are. The changes are in the
// order of the struct.
func Reloaded(cur, next *Master) (*Master, []Change) {
	out := *cur
	var changes []Change
	rc, rn, ro := reflect.ValueOf(cur).Elem(), reflect.ValueOf(next).Elem(), reflect.ValueOf(&out).Elem()
	for i := range rc.NumField() {
		name := rc.Type().Field(i).Tag.Get("salt")
		if name == "" || sameField(rc.Field(i), rn.Field(i)) {
			continue
		}
		live := tableIndex()[InMaster][name].Reload == Live
		changes = append(changes, Change{Option: name, Live: live})
		if live {
			ro.Field(i).Set(rn.Field(i))
		}
	}
	out.Raw = next.Raw
	return &out, changes
}

// sameField compares contents, not the positions in the files: moving a line changes nothing.
func sameField(a, b reflect.Value) bool {
	switch x := a.Interface().(type) {
	case *Value:
		return reflect.DeepEqual(x.Any(), b.Interface().(*Value).Any())
	case *Map:
		return reflect.DeepEqual((&Value{Data: x}).Any(), (&Value{Data: b.Interface()}).Any())
	case []Nodegroup:
		y := b.Interface().([]Nodegroup)
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i].Name != y[i].Name || !reflect.DeepEqual(x[i].Expr.Any(), y[i].Expr.Any()) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

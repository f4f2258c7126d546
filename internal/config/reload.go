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

// Changes lists the options whose values differ between two snapshots, in the order of the struct.
func Changes(cur, next *Master) []Change {
	var changes []Change
	eachChange(cur, next, func(_ int, name string, live bool) {
		changes = append(changes, Change{Option: name, Live: live})
	})
	return changes
}

// Reloaded makes the snapshot a running master uses after SIGHUP: options that may change while it
// runs come from next, all others from cur; needRestart names those that differ. Both arguments stay
// as they are.
func Reloaded(cur, next *Master) (merged *Master, needRestart []string) {
	out := *cur
	ro, rn := reflect.ValueOf(&out).Elem(), reflect.ValueOf(next).Elem()
	eachChange(cur, next, func(field int, name string, live bool) {
		if live {
			ro.Field(field).Set(rn.Field(field))
		} else {
			needRestart = append(needRestart, name)
		}
	})
	if cur.Redis != next.Redis {
		needRestart = append(needRestart, "redis")
	}
	if cur.ExportsJobs() != next.ExportsJobs() && cur.MasterJobCache == next.MasterJobCache {
		needRestart = append(needRestart, "ext_job_cache (the export)")
	}
	out.Raw = next.Raw
	return &out, needRestart
}

func eachChange(cur, next *Master, fn func(field int, name string, live bool)) {
	rc, rn := reflect.ValueOf(cur).Elem(), reflect.ValueOf(next).Elem()
	for i := range rc.NumField() {
		name := rc.Type().Field(i).Tag.Get("salt")
		if name == "" || sameField(rc.Field(i), rn.Field(i)) {
			continue
		}
		fn(i, name, tableIndex()[InMaster][name].Reload == Live)
	}
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

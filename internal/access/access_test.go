package access

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
)

func TestAuthListAllows(t *testing.T) {
	web := func(compound string) (map[string]bool, bool) {
		return map[string]bool{"web1": true, "web2": true}, compound == "web*"
	}
	undecided := Request{Funs: []string{"cmd.run"}, Undecided: true}
	args := wire.NewMap("args", []any{"/srv/.*", nil})
	tests := []struct {
		name string
		list AuthList
		req  Request
		want bool
	}{
		{"function anywhere", AuthList{"test.*"}, Request{Funs: []string{"test.ping"}}, true},
		{"matched at the start only", AuthList{"test.ping"}, Request{Funs: []string{"test.pingx"}}, true},
		{"not in the middle", AuthList{"ping"}, Request{Funs: []string{"test.ping"}}, false},
		{"every function must pass", AuthList{"test.*"}, Request{Funs: []string{"test.ping", "cmd.run"}}, false},
		{"find_job always passes", AuthList{"test.*"}, Request{Funs: []string{"saltutil.find_job"}}, true},
		{"no function", AuthList{".*"}, Request{}, false},
		{"empty list allows nothing here", nil, Request{Funs: []string{"test.ping"}}, false},
		{"at-words never publish", AuthList{"@runner"}, Request{Funs: []string{"runner.x"}}, false},
		{"inside the target", AuthList{wire.NewMap("web*", []any{"cmd.*"})}, Request{Funs: []string{"cmd.run"}, Minions: []string{"web1"}}, true},
		{"one minion outside the target", AuthList{wire.NewMap("web*", []any{"cmd.*"})}, Request{Funs: []string{"cmd.run"}, Minions: []string{"web1", "db1"}}, false},
		{"undecided request inside a target", AuthList{wire.NewMap("web*", []any{"cmd.*"})}, undecided, false},
		{"undecided request for a function anywhere", AuthList{"cmd.*"}, undecided, true},
		{"unknown target", AuthList{wire.NewMap("G@os:x", []any{"cmd.*"})}, Request{Funs: []string{"cmd.run"}, Minions: []string{"web1"}}, false},
		{
			"arguments allowed",
			AuthList{wire.NewMap("web*", []any{wire.NewMap("cp.get", args)})},
			Request{Funs: []string{"cp.get"}, Args: [][]any{{"/srv/x", "y"}}, Minions: []string{"web1"}},
			true,
		},
		{
			"arguments forbidden",
			AuthList{wire.NewMap("web*", []any{wire.NewMap("cp.get", args)})},
			Request{Funs: []string{"cp.get"}, Args: [][]any{{"/etc/shadow"}}, Minions: []string{"web1"}},
			false,
		},
		{
			"bad expression matches nothing",
			AuthList{"test.("},
			Request{Funs: []string{"test.ping"}},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.list.Allows(tt.req, web); got != tt.want {
				t.Errorf("Allows = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBlacklist(t *testing.T) {
	b := Blacklist{Users: []string{"sudo_*", "mall.ry"}, Modules: []string{"cmd.*", "test.(x|y)"}}
	tests := []struct {
		user string
		funs []string
		want bool
	}{
		{"root", []string{"test.ping"}, false},
		{"sudo_bob", []string{"test.ping"}, true},
		{"mallory", []string{"test.ping"}, true},
		{"root", []string{"test.ping", "cmd.run"}, true},
		{"root", []string{"test.y"}, true},
		{"root", []string{"test.yy"}, false},
	}
	for _, tt := range tests {
		if got := b.Forbids(tt.user, tt.funs); got != tt.want {
			t.Errorf("Forbids(%q, %q) = %v, want %v", tt.user, tt.funs, got, tt.want)
		}
	}
	if err := (Blacklist{Modules: []string{"[("}}).Check(); err == nil {
		t.Error("Check accepts an entry that can match nothing")
	}
}

func TestCompoundIDs(t *testing.T) {
	ids := []string{"db1", "db2", "web1", "web2"}
	for expr, want := range map[string]string{
		"*":                           "db1 db2 web1 web2",
		"web*":                        "web1 web2",
		"L@web1,db1,gone":             "db1 web1",
		"E@(web|db)1":                 "db1 web1",
		"web* or db1":                 "db1 web1 web2",
		"web* and *1":                 "web1",
		"not web*":                    "db1 db2",
		"web* and not web1":           "web2",
		"web* not web1":               "web2",
		"db1 or web* and *2":          "db1 web2",
		"( db1 or web* ) and *2":      "web2",
		"( not ( web* or db2 ) )":     "db1",
		"not db* and not E@web2$":     "web1",
		"nobody":                      "",
		"not *":                       "",
		" web1  or\tdb2 ":             "db2 web1",
		"L@web1 or ( L@db1 and db* )": "db1 web1",
	} {
		set, ok := CompoundIDs(expr, ids)
		if !ok {
			t.Errorf("%q is not decided", expr)
			continue
		}
		got := slices.Sorted(maps.Keys(set))
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", expr, got, want)
		}
	}
	for _, expr := range []string{
		"", " ", "G@os:Debian", "web1 or G@os:Debian", "I@role:web", "N@group", "S@10.0.0.0/8", "J@a:b", "P@os:D.*", "R@x", "@runner", "L@", "E@(",
		"and web1", "web1 and", "web1 or or web2", "not", "not not web1", "( web1", "web1 )", "()", "(web1 or web2)", "web1 web2", "web1 ( web2 )",
		strings.Repeat("( ", 2000) + "a", strings.Repeat("a", 5000),
	} {
		if set, ok := CompoundIDs(expr, ids); ok {
			t.Errorf("%.40q names %v", expr, set)
		}
	}
}

func FuzzCompoundIDs(f *testing.F) {
	for _, s := range []string{"web* and not ( L@a,b or E@x.* )", "not a", "a or", "( ( a ) )", "G@a"} {
		f.Add(s)
	}
	ids := []string{"a", "b", "web1"}
	f.Fuzz(func(t *testing.T, expr string) {
		set, ok := CompoundIDs(expr, ids)
		for id := range set {
			if !ok || !slices.Contains(ids, id) {
				t.Fatalf("%q names %q", expr, id)
			}
		}
	})
}

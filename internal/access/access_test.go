package access

import (
	"testing"

	"github.com/saltern-io/saltern/internal/wire"
)

func TestAuthListAllows(t *testing.T) {
	web := func(compound string) (map[string]bool, bool) {
		return map[string]bool{"web1": true, "web2": true}, compound == "web*"
	}
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
		{"unknown target", AuthList{wire.NewMap("G@os:x", []any{"cmd.*"})}, Request{Funs: []string{"cmd.run"}, Minions: []string{"web1"}}, false},
		{
			"arguments allowed", AuthList{wire.NewMap("web*", []any{wire.NewMap("cp.get", args)})},
			Request{Funs: []string{"cp.get"}, Args: [][]any{{"/srv/x", "y"}}, Minions: []string{"web1"}}, true,
		},
		{
			"arguments forbidden", AuthList{wire.NewMap("web*", []any{wire.NewMap("cp.get", args)})},
			Request{Funs: []string{"cp.get"}, Args: [][]any{{"/etc/shadow"}}, Minions: []string{"web1"}}, false,
		},
		{
			"bad expression matches nothing", AuthList{"test.("},
			Request{Funs: []string{"test.ping"}}, false,
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

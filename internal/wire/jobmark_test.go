package wire

import "testing"

func TestMarkOf(t *testing.T) {
	job := func(fun, tgt any, kind string) *Map {
		return NewMap("fun", fun, "tgt", tgt, "tgt_type", kind, "jid", "x", "user", "y")
	}
	for _, c := range []struct {
		name string
		a, b *Map
		same bool
	}{
		{"the same", job("test.ping", "*", "glob"), job("test.ping", "*", "glob"), true},
		{"another function", job("test.ping", "*", "glob"), job("state.apply", "*", "glob"), false},
		{"another target", job("test.ping", "*", "glob"), job("test.ping", "web*", "glob"), false},
		{"a list", job("test.ping", []any{"a", "b"}, "list"), job("test.ping", []any{"a", "b"}, "list"), true},
		{"another list", job("test.ping", []any{"a", "b"}, "list"), job("test.ping", []any{"a"}, "list"), false},
		{"several functions", job([]any{"a.b", "c.d"}, "*", "glob"), job([]any{"a.b"}, "*", "glob"), false},
		{"a group that was put in", job("test.ping", "N@web", "compound"), job("test.ping", "L@a,b", "compound"), true},
		{"text that runs into the target", job("a", "bc", "glob"), job("ab", "c", "glob"), false},
	} {
		if got := MarkOf(c.a) == MarkOf(c.b); got != c.same {
			t.Errorf("%s: same is %v", c.name, got)
		}
	}
	if MarkOf(job(struct{}{}, "*", "glob")) != (Mark{}) {
		t.Error("a value that is none of the wire has a mark")
	}
}

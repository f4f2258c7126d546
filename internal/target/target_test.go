package target

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	ids := []string{"Alpha", "alpha", "db1.example.com", "m1", "m10", "m2", "web[1]", "wéb", "x-y"}
	tests := []struct {
		kind    string
		expr    any
		want    string
		missing string
	}{
		{"glob", "*", strings.Join(ids, " "), ""},
		{"", "m1", "m1", ""},
		{"glob", "m*", "m1 m10 m2", ""},
		{"glob", "*.example.com", "db1.example.com", ""},
		{"glob", "m?", "m1 m2", ""},
		{"glob", "w?b", "wéb", ""},
		{"glob", "m[12]", "m1 m2", ""},
		{"glob", "m[!1]*", "m2", ""},
		{"glob", "m[0-1]*", "m1 m10", ""},
		{"glob", "ALPHA", "", ""},
		{"glob", "web[1]", "", ""},
		{"glob", "web[[]1]", "web[1]", ""},
		{"glob", "web[", "", ""},
		{"glob", "x[!]y", "", ""},
		{"glob", "x[a-]y", "x-y", ""},
		{"glob", "x[z-a]y", "", ""},
		{"glob", "x[!z-a]y", "x-y", ""},
		{"glob", "*a*p*a", "alpha", ""},
		{"glob", "", "", ""},
		{"pcre", "m[12]", "m1 m10 m2", ""},
		{"pcre", "m[12]$", "m1 m2", ""},
		{"pcre", `m\d+\Z`, "m1 m10 m2", ""},
		{"pcre", "lpha", "", ""},
		{"pcre", "(?i)ALPHA", "Alpha alpha", ""},
		{"pcre", "(?!m)(?!w)", "Alpha alpha db1.example.com x-y", ""},
		{"pcre", `(?P<l>a)lph(?P=l)`, "alpha", ""},
		{"pcre", `w\wb$`, "wéb", ""},
		{"pcre", "m1{,1}0{,1}$", "m1 m10", ""},
		{"pcre", `web[[]1`, "web[1]", ""},
		{"pcre", "", strings.Join(ids, " "), ""},
		{"pcre", "m1|db", "db1.example.com m1 m10", ""},
		{"list", "m2,zz,m1,,zz", "m1 m2", "zz"},
		{"list", []any{"m2", "zz"}, "m2", "zz"},
		{"list", []string{"m2", "m1"}, "m1 m2", ""},
		{"list", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %v", tt.kind, tt.expr), func(t *testing.T) {
			m, err := Parse(tt.kind, tt.expr, ":")
			if err != nil {
				t.Fatal(err)
			}
			minions, missing := m.Match(ids)
			if got := strings.Join(minions, " "); got != tt.want {
				t.Errorf("minions %q, want %q", got, tt.want)
			}
			if got := strings.Join(missing, " "); got != tt.missing {
				t.Errorf("missing %q, want %q", got, tt.missing)
			}
		})
	}
}

func TestParse_refuses(t *testing.T) {
	tests := []struct {
		name, kind string
		expr       any
		want       error
	}{
		{"unknown kind", "grain", "a:b", ErrKind},
		{"glob of a list", "glob", []any{"a"}, ErrExpr},
		{"pcre unbalanced", "pcre", "m(", ErrExpr},
		{"pcre open set", "pcre", "m[", ErrExpr},
		{"pcre lone backslash", "pcre", `m\`, ErrExpr},
		{"pcre possessive", "pcre", "a++", ErrExpr},
		{"pcre nothing to repeat", "pcre", "*", ErrExpr},
		{"too long", "glob", strings.Repeat("a", MaxExpr+1), ErrExpr},
		{"list of numbers", "list", []any{int64(1)}, ErrExpr},
		{"list of nothing", "list", nil, ErrExpr},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse(tt.kind, tt.expr, ""); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestMatch_runawayExpression(t *testing.T) {
	m, err := Parse("pcre", `(?:(a+)+)+(?!x)$`, "")
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{strings.Repeat("a", 60) + "b"}
	minions, _, err := m.MatchErr(ids)
	if !errors.Is(err, ErrTimeout) || len(minions) != 0 {
		t.Errorf("got %v, %v; want ErrTimeout and nobody", minions, err)
	}
}

// A pattern made from an id by replacing pieces with wildcards matches that id.
func TestGlob_property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.StringMatching(`[a-z0-9.é_-]{1,5}`), 1, 6).Draw(t, "pieces")
		var pattern strings.Builder
		for i, piece := range pieces {
			switch rapid.IntRange(0, 2).Draw(t, fmt.Sprint("how", i)) {
			case 0:
				pattern.WriteString(piece)
			case 1:
				pattern.WriteByte('*')
			case 2:
				pattern.WriteString(strings.Repeat("?", len([]rune(piece))))
			}
		}
		id := strings.Join(pieces, "")
		m, err := Parse("glob", pattern.String(), "")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := m.Match([]string{id}); !slices.Equal(got, []string{id}) {
			t.Fatalf("%q does not match %q", pattern.String(), id)
		}
	})
}

// Whatever Go's engine is trusted with, the other engine must see alike.
func FuzzPCRE(f *testing.F) {
	for _, s := range []string{"m[12]", `m\d+\Z`, "(a|b)*c{,3}", "[[:alpha:]]", `[]^-]`, "(?P<x>a)(?P=x)", "(?iu)a", `\x41`} {
		f.Add(s, "m1")
	}
	f.Fuzz(func(t *testing.T, expr, id string) {
		m, err := parsePCRE(expr)
		if err != nil {
			if !errors.Is(err, ErrExpr) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		_, _, _ = m.MatchErr([]string{id})
	})
}

func FuzzGlob(f *testing.F) {
	for _, s := range []string{"*", "m[12]", "[!]", "[]]", "a*b*c?", "[a-", "[--z]"} {
		f.Add(s, "m1")
	}
	f.Fuzz(func(t *testing.T, pattern, id string) {
		if _, err := Parse(KindGlob, pattern, ":"); (err == nil) != (utf8.ValidString(pattern) && len(pattern) <= MaxExpr) {
			t.Fatalf("Parse of %q: %v", pattern, err)
		} else if err != nil || !utf8.ValidString(id) {
			return
		}
		got := matchTokens(globTokens(pattern), id)
		if one := parseGlob(pattern).matchOne(id); one != got {
			t.Fatalf("glob %q on %q: fast path says %v, general path %v", pattern, id, one, got)
		}
	})
}

func benchIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("web%05d.eu-central.example.com", i)
	}
	return ids
}

func BenchmarkGlob(b *testing.B) {
	ids := benchIDs(10_000)
	for _, pattern := range []string{"*", "web0*", "*1*.example.com", "web[0-4]????.*"} {
		b.Run(pattern, func(b *testing.B) {
			m := parseGlob(pattern)
			b.ReportAllocs()
			for b.Loop() {
				m.Match(ids)
			}
		})
	}
}

func BenchmarkPCRE(b *testing.B) {
	ids := benchIDs(10_000)
	m, err := parsePCRE(`web0\d+\.eu`)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Match(ids)
	}
}

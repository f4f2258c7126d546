package config

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// big20 is the 20-digit integer of the table.
var big20, _ = new(big.Int).SetString("99999999999999999999", 10)

// TestScalars is the table of dependencies §5.1 and config-and-daemons §2.3, with the nastier cases.
func TestScalars(t *testing.T) {
	for _, tc := range []struct {
		text string
		want any // error: the text must be refused
	}{
		{"yes", true},
		{"Yes", true},
		{"YES", true},
		{"no", false},
		{"On", true},
		{"Off", false},
		{"off", false},
		{"true", true},
		{"True", true},
		{"FALSE", false},
		{"tRue", "tRue"},
		{"yEs", "yEs"},
		{"y", "y"},
		{"n", "n"},
		{"Y", "Y"},
		{"0644", int64(644)},
		{"0", int64(0)},
		{"00", int64(0)},
		{"-0", int64(0)},
		{"+7", int64(7)},
		{"0_7", int64(7)},
		{"0o644", "0o644"},
		{"0o17", "0o17"},
		{"0b11", int64(3)},
		{"-0b11", int64(-3)},
		{"0x10", int64(16)},
		{"0xFF", int64(255)},
		{"-0x1f", int64(-31)},
		{"0X10", "0X10"},
		{"1_000", int64(1000)},
		{"_1", "_1"},
		{"08", "08"},
		{"09.5", 9.5},
		{"-017", int64(-15)},
		{"+017", int64(15)},
		{"12:30:45", int64(45045)},
		{"12:30", int64(750)},
		{"-1:30", int64(-90)},
		{"012:30", "012:30"},
		{"1:99", "1:99"},
		{"1:30.5", 90.5},
		{"1e3", "1e3"},
		{"1.0e3", "1.0e3"},
		{"1.0e+3", 1000.0},
		{"1.5E-2", 0.015},
		{".5", 0.5},
		{"+.5", "+.5"},
		{"1.", 1.0},
		{".", "."},
		{"._1", "._1"},
		{"1_0.5", 10.5},
		{"3006.10", 3006.1},
		{"1.2.3", "1.2.3"},
		{".inf", math.Inf(1)},
		{"+.inf", math.Inf(1)},
		{"-.INF", math.Inf(-1)},
		{".Inf", math.Inf(1)},
		{"inf", "inf"},
		{"nan", "nan"},
		{"2026-01-02", "2026-01-02"},
		{"2026-1-2", "2026-1-2"},
		{"2026-01-02 10:00:00", "2026-01-02 10:00:00"},
		{"99999999999999999999", big20},
		{"9223372036854775807", int64(math.MaxInt64)},
		{"~", nil},
		{"null", nil},
		{"Null", nil},
		{"NULL", nil},
		{"nULL", "nULL"},
		{"", nil},
		{"=", errors.New("value tag")},
		{"<<", errors.New("merge tag")},
		{"'yes'", "yes"},
		{`"0644"`, "0644"},
		{"! 5", int64(5)},
		{"!!str 5", "5"},
		{"!!str", ""},
		{`!!int "5"`, int64(5)},
		{`!!int "0644"`, int64(644)},
		{"!!int x", errors.New("not a number")},
		{`!!float "1"`, 1.0},
		{"!!float 1:30", 90.0},
		{"!!float x", errors.New("not a number")},
		{`!!bool "yes"`, true},
		{"!!bool maybe", errors.New("not a boolean")},
		{"!!null x", nil},
		{"!!binary aGVsbG8=", []byte("hello")},
		{"!!binary '*'", errors.New("not base64")},
		{"!!python/tuple [1]", errors.New("unknown tag")},
		{"!custom x", errors.New("unknown tag")},
		{"!!timestamp 2026-01-02", "2026-01-02"},
		{"|\n  yes\n", "yes\n"},
		{">\n  12\n", "12\n"},
		{"[yes, 0644]", []any{true, int64(644)}},
		{"{a: 1, 1: b, '1': c}", []Pair{{"a", int64(1)}, {int64(1), "b"}, {"1", "c"}}},
		{"{null: c, 1.5: a, true: d}", []Pair{{nil, "c"}, {1.5, "a"}, {true, "d"}}},
		{"{=: x}", []Pair{{"=", "x"}}},
		{"{a: 1, a: 2}", ErrDuplicate},
		{"{a: 1, 'a': 2}", ErrDuplicate},
		{"{yes: 1, true: 2}", ErrDuplicate},
		{"{[1]: x}", errors.New("unhashable")},
		{"{{a: 1}: x}", errors.New("unhashable")},
		{"{<<: {x: 1}, x: 2}", []Pair{{"x", int64(2)}}},
		{"{<<: {x: 1, y: 1}, x: 2}", []Pair{{"y", int64(1)}, {"x", int64(2)}}},
		{"{<<: [{x: 1}, {y: 2}], z: 3}", []Pair{{"y", int64(2)}, {"x", int64(1)}, {"z", int64(3)}}},
		{"{<<: [{x: 1}, {x: 2}]}", ErrDuplicate},
		{"{<<: 5}", errors.New("merging needs mappings")},
		{"{<<: [5]}", errors.New("merging needs mappings")},
		{"{'<<': {x: 1}}", []Pair{{"<<", []Pair{{"x", int64(1)}}}}},
		{"!!set {a, b}", []Pair{{"a", nil}, {"b", nil}}},
		{"[&a {x: 1}, *a]", []any{[]Pair{{"x", int64(1)}}, []Pair{{"x", int64(1)}}}},
	} {
		t.Run(tc.text, func(t *testing.T) {
			got, err := parseValue("t", []byte(tc.text+"\n"))
			if want, isErr := tc.want.(error); isErr {
				if err == nil {
					t.Fatalf("accepted as %#v, want an error (%v)", got.Any(), want)
				}
				if want == ErrDuplicate && !errors.Is(err, ErrDuplicate) {
					t.Fatalf("got %v, want ErrDuplicate", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			bigs := cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })
			if d := cmp.Diff(tc.want, got.Any(), bigs); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseDocument(t *testing.T) {
	for _, tc := range []struct {
		name, src, wantErr string
		wantLen            int
	}{
		{"empty", "", "", 0},
		{"comment", "# nothing\n", "", 0},
		{"null", "~\n", "", 0},
		{"marker", "---\n...\n", "", 0},
		{"map", "a: 1\nb:\n", "", 2},
		{"list", "- 1\n", "conf should be a document, not <class 'list'>.", 0},
		{"scalar", "hello\n", "conf should be a document, not <class 'str'>.", 0},
		{"two documents", "a: 1\n---\nb: 1\n", "expected a single document", 0},
		{"duplicate", "a: 1\nb: 2\na: 3\n", "line 3: found conflicting ID 'a'", 0},
		{"syntax", "a: [1\n", "yaml:", 0},
		{"unknown alias", "a: *b\n", "unknown anchor", 0},
		{"self alias", "a: &a [*a]\n", "too large", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := ParseDocument("f", []byte(tc.src))
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("got %v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil || m.Len() != tc.wantLen {
				t.Fatalf("got %d entries, %v; want %d", m.Len(), err, tc.wantLen)
			}
		})
	}
}

func TestParseDocument_positions(t *testing.T) {
	m, err := ParseDocument("/etc/salt/master", []byte("a: 1\n\nb:\n  - x\n  - y\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Get("a").Pos(); got != "/etc/salt/master:1" {
		t.Errorf("a is at %q", got)
	}
	if got := m.Get("b").List()[1].Pos(); got != "/etc/salt/master:5" {
		t.Errorf("second element is at %q", got)
	}
}

// TestParseDocument_bombs: what expands without bound is refused within the node bound.
func TestParseDocument_bombs(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "*" + string(c-1) + "]\n"
	}
	merges := "a: &a {k0: 1}\n"
	for c := 'b'; c < 'z'; c++ {
		p := "*" + string(c-1)
		merges += string(c) + ": &" + string(c) + " {<<: [" + strings.Repeat(p+",", 9) + p + "]}\n"
	}
	for name, src := range map[string]string{
		"aliases": laughs, "depth": "a: " + strings.Repeat("[", 5000), "closed depth": "a: " + strings.Repeat("[", 500) + strings.Repeat("]", 500),
		"merges": merges,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseDocument("f", []byte(src)); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, err := ParseDocument("f", make([]byte, maxFileBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("oversized document: %v", err)
	}
}

func FuzzParseDocument(f *testing.F) {
	for _, s := range []string{
		"a: 1\n", "interface: 0.0.0.0\nfile_roots:\n  base: [/srv/salt]\n", "{<<: [{x: 1}, {x: 2}]}", "a: &a [*a]",
		"!!binary aGVsbG8=", "k: 0644\nt: 12:30:45\nf: 1.0e+3\n", "? [a]\n: b\n", "- !!set {a, b}\n", "%YAML 1.1\n---\na: b\n",
		"a: |\n  text\nb: >-\n  folded\n", "\xff\xfea\x00:\x00 \x001\x00", "a: !!int 0_\n", "{=: <<, <<: {}}", "0b_: -0x_\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := ParseDocument("f", src)
		if err != nil {
			return
		}
		again, err := ParseDocument("f", src)
		if err != nil || again.Len() != m.Len() {
			t.Fatalf("second parse differs: %v", err)
		}
		for k, v := range m.All() {
			if m.Get(k) == nil && k == k { // a key that is not a number has no equal
				t.Fatalf("key %v cannot be found", k)
			}
			_ = v.String()
		}
		// Whatever the file says, loading it must not panic.
		cfg := &Master{Raw: m}
		b := &binder{in: InMaster, report: &Report{}}
		b.bind(cfg, m)
		cfg.settle(b, LoadOptions{Hostname: func() string { return "h" }})
		b.notices(m)
		cfg.faults = b.faults
		_ = cfg.Validate()
	})
}

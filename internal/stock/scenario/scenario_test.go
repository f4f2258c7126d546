package scenario

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/stock"
)

func column(release string, saltern *stock.Saltern) *Column {
	salts := []*stock.Salt{{Release: "3006.10"}, {Release: "3008.0"}}
	i := slices.IndexFunc(salts, func(s *stock.Salt) bool { return s.Release == release })
	return &Column{Salt: salts[i], All: salts, Saltern: saltern, answers: make(map[string]Answer)}
}

func names(groups []Group) []string {
	var all []string
	for _, g := range groups {
		for _, s := range g.Steps {
			all = append(all, fullName(g, s))
		}
	}
	return all
}

func TestCatalogue_sameRowsInEveryColumn(t *testing.T) {
	want := names(Catalogue(column("3008.0", &stock.Saltern{Binary: "/x"})))
	sorted := slices.Sorted(slices.Values(want))
	if len(slices.Compact(sorted)) != len(want) {
		t.Error("a scenario's name is there twice")
	}
	for _, other := range []*Column{column("3006.10", &stock.Saltern{Binary: "/x"}), column("3008.0", nil)} {
		if got := names(Catalogue(other)); !slices.Equal(got, want) {
			t.Errorf("rows %q, want %q", got, want)
		}
	}
}

func TestCatalogue_withoutSalternOnlyStockRuns(t *testing.T) {
	for _, g := range Catalogue(column("3008.0", nil)) {
		for _, s := range g.Steps {
			ours := strings.Contains(fullName(g, s), "saltern")
			if skipped := g.Skip != "" || s.Skip != ""; ours != skipped && !strings.HasPrefix(s.Name, "lower master ") {
				t.Errorf("%s: skipped %v, names saltern %v", fullName(g, s), skipped, ours)
			}
		}
	}
}

func TestChoose_bringsTheWantedAnswer(t *testing.T) {
	groups := Catalogue(column("3008.0", &stock.Saltern{Binary: "/x"}))
	got := names(choose(groups, regexp.MustCompile(`^saltern-master/saltern-salt/cmd.run$`)))
	want := []string{"stock-master/stock-salt/cmd.run", "saltern-master/saltern-salt/cmd.run"}
	if !slices.Equal(got, want) {
		t.Errorf("chosen %q, want %q", got, want)
	}
}

func TestChoose_everyWantExists(t *testing.T) {
	groups := Catalogue(column("3008.0", &stock.Saltern{Binary: "/x"}))
	all := names(groups)
	for _, g := range groups {
		for _, s := range g.Steps {
			for _, want := range s.Wants {
				if !slices.Contains(all, want) {
					t.Errorf("%s wants %s, which is not there", fullName(g, s), want)
				}
			}
		}
	}
}

func TestNormalise(t *testing.T) {
	for _, test := range []struct {
		name, text string
		q          question
		want       string
	}{
		{"jid and directory", "jid 20261120164033446688 in /tmp/x/y\n", question{}, "jid <jid> in <dir>/y\n"},
		{"nested blocks", "m2:\n    True\nm1:\n    a\n\n    b\n", question{sorted: true}, "m1:\n    a\n\n    b\nm2:\n    True\n"},
		{"json blocks", "{\n    \"m2\": 1\n}\n{\n    \"m1\": 1\n}\n", question{sorted: true}, "{\n    \"m1\": 1\n}\n{\n    \"m2\": 1\n}\n"},
		{"nested facts", "m1:\n    pid:\n        12\n    os:\n        Debian\n", question{facts: true}, "m1:\n    os:\n        Debian\n"},
		{"json facts", "{\n    \"pid\": 12,\n    \"os\": \"Debian\"\n}\n", question{facts: true}, "{\n    \"os\": \"Debian\"\n}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := normalise(test.text, "/tmp/x", test.q); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSettle(t *testing.T) {
	c := column("3008.0", nil)
	if err := c.settle("q", false, Answer{}); err == nil || errors.Is(err, errAnswer) {
		t.Errorf("comparison without stock's answer: %v", err)
	}
	if err := c.settle("q", true, Answer{Stdout: "a\nb\n"}); err != nil {
		t.Fatal(err)
	}
	if err := c.settle("q", false, Answer{Stdout: "a\nb\n"}); err != nil {
		t.Errorf("equal answer: %v", err)
	}
	for said, want := range map[Answer]string{
		{Stdout: "a\nc\n"}:          `line 2 is "c", stock: "b"`,
		{Stdout: "a\nb\nc"}:         `line 3 is "c", stock: ""`,
		{Stdout: "a\nb\n\n"}:        `line 4 is "", stock: missing`,
		{Stdout: "a\nb\n", Code: 1}: "exit status 1, stock: 0",
	} {
		if err := c.settle("q", false, said); !errors.Is(err, errAnswer) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", said.Stdout, err, want)
		}
	}
}

func TestWriteMatrix(t *testing.T) {
	var out bytes.Buffer
	failures, err := WriteMatrix(&out, []string{"3006.10", "3008.0"}, []Cell{
		{Scenario: "g/a", Release: "3006.10"},
		{Scenario: "g/longer", Release: "3006.10", Outcome: Failed, Reason: "broke"},
		{Scenario: "g/a", Release: "3008.0", Outcome: NotApplicable, Reason: "why"},
	})
	want := `scenario  3006.10   3008.0
g/a       ok        n/a
g/longer  FAILED    -

FAILED 3006.10 g/longer: broke

1 ok, 1 failed, 1 not applicable
`
	if err != nil || failures != 1 || out.String() != want {
		t.Errorf("%d failures, %v:\n%s", failures, err, out.String())
	}
}

func TestOnce_remembersTheError(t *testing.T) {
	var o once
	broken := errors.New("broken")
	for range 2 {
		if err := o.do(func() error { e := broken; broken = nil; return e }); err == nil {
			t.Error("the second step did not learn of the failure")
		}
	}
}

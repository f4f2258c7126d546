package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/saltern-io/saltern/internal/stock"
)

// question is one salt command whose output has to be the same everywhere.
type question struct {
	name   string
	args   []string
	sorted bool // several minions answer in any order: compare block by block
	facts  bool // grains: leave out those that change by themselves
}

// questions are asked of the minions m1 and m2.
var questions = []question{
	{name: "test.ping", args: []string{"*", "test.ping"}, sorted: true},
	{name: "test.ping one", args: []string{"m1", "test.ping"}},
	{name: "list target", args: []string{"-L", "m1,m2", "test.ping"}, sorted: true},
	{name: "pcre target", args: []string{"-E", "m[12]", "test.ping"}, sorted: true},
	{name: "no match", args: []string{"nosuch*", "test.ping"}},
	{name: "list with a stranger", args: []string{"-t", "2", "-L", "m1,nosuch", "test.ping"}, sorted: true},
	{name: "cmd.run", args: []string{"m1", "cmd.run", "echo one; echo two"}},
	{name: "cmd.run failing", args: []string{"m1", "cmd.run", "echo no; exit 3"}},
	{name: "cmd.run slow", args: []string{"-t", "2", "m1", "cmd.run", "sleep 8; echo slept"}},
	{name: "unknown function", args: []string{"m1", "nosuch.function"}},
	{name: "text", args: []string{"m1", "test.echo", "grüße, 'quoted' \"too\"\nsecond line"}},
	{name: "grains.items", args: []string{"m1", "grains.items"}, facts: true},
	{name: "grains.items json", args: []string{"--out", "json", "m1", "grains.items"}, facts: true},
	{name: "out json", args: []string{"--out", "json", "m1", "test.arg", "1", "two", "k=[a, 2.5, null]"}},
	{name: "out yaml", args: []string{"--out", "yaml", "m1", "test.arg", "1", "two", "k=[a, 2.5, null]"}},
	{name: "out txt", args: []string{"--out", "txt", "m1", "test.arg", "1", "two", "k=[a, 2.5, null]"}},
	{name: "out raw", args: []string{"--out", "raw", "m1", "test.arg", "1", "two", "k=[a, 2.5, null]"}},
	{name: "out nested", args: []string{"--out", "nested", "m1", "test.arg", "1", "two", "k=[a, 2.5, null]"}},
	{name: "out json two", args: []string{"--out", "json", "*", "test.ping"}, sorted: true},
	{name: "static", args: []string{"--static", "--out", "json", "m1", "test.ping"}},
	{name: "static two", args: []string{"--static", "*", "test.ping"}},
	{name: "verbose", args: []string{"-v", "m1", "test.ping"}},
	{name: "async", args: []string{"--async", "m1", "test.ping"}},
}

// Answer is what a command said, made comparable.
type Answer struct {
	Stdout string
	Code   int
}

var errAnswer = errors.New("other answer than stock")

// differs describes the first difference to what stock said; nil when there is none.
func (a Answer) differs(stockSaid Answer) error {
	if a.Stdout != stockSaid.Stdout {
		got, want := strings.Split(a.Stdout, "\n"), strings.Split(stockSaid.Stdout, "\n")
		for i := 0; ; i++ {
			g, w := lineOf(got, i), lineOf(want, i)
			if g != w {
				return fmt.Errorf("%w: line %d is %s, stock: %s", errAnswer, i+1, g, w)
			}
		}
	}
	if a.Code != stockSaid.Code {
		return fmt.Errorf("%w: exit status %d, stock: %d", errAnswer, a.Code, stockSaid.Code)
	}
	return nil
}

func lineOf(lines []string, i int) string {
	if i >= len(lines) {
		return "missing"
	}
	const longest = 120
	if len(lines[i]) > longest {
		return fmt.Sprintf("%q…", lines[i][:longest])
	}
	return fmt.Sprintf("%q", lines[i])
}

// ask runs the question with the salt command of software on the host.
func (h *host) ask(ctx context.Context, software stock.Software, q question) (Answer, error) {
	result, err := h.bench.run(ctx, software, stock.Command, h.configDir, q.args...)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Stdout: normalise(result.Stdout, h.bench.Dir, q), Code: result.Code}, nil
}

// settle keeps a stock answer, or compares with the one kept.
func (c *Column) settle(name string, keep bool, said Answer) error {
	if keep {
		c.answers[name] = said
		return nil
	}
	stockSaid, ok := c.answers[name]
	if !ok {
		return errors.New("stock gave no answer to compare with")
	}
	return said.differs(stockSaid)
}

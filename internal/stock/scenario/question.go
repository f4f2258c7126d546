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
	proof  string // what stock's own answer must contain to be worth comparing with
	code   int    // and its exit status
	sorted bool   // several minions answer in any order: compare block by block
	facts  bool   // grains: leave out those that change by themselves
}

// questions are asked of the minions m1 and m2.
var questions = []question{
	{name: "test.ping", args: []string{"*", "test.ping"}, proof: "m1:\n    True\nm2:\n    True\n", sorted: true},
	{name: "test.ping one", args: []string{"m1", "test.ping"}, proof: "m1:\n    True\n"},
	{name: "list target", args: []string{"-L", "m1,m2", "test.ping"}, proof: "m2:\n    True\n", sorted: true},
	{name: "pcre target", args: []string{"-E", "m[12]", "test.ping"}, proof: "m2:\n    True\n", sorted: true},
	{name: "no match", args: []string{"nosuch*", "test.ping"}, proof: "No minions matched", code: 2},
	{
		name: "list with a stranger", args: []string{"-t", "2", "-L", "m1,nosuch", "test.ping"},
		proof: "nosuch:\n    Minion did not return", code: 1, sorted: true,
	},
	// With a shell of its own: 3008 runs commands without one unless asked.
	{name: "cmd.run", args: []string{"m1", "cmd.run", `sh -c "echo one; echo two"`}, proof: "    one\n    two\n"},
	{name: "cmd.run failing", args: []string{"m1", "cmd.run", `sh -c "echo no; exit 3"`}, proof: "    no\n", code: 1},
	{name: "cmd.run slow", args: []string{"-t", "2", "m1", "cmd.run", `sh -c "sleep 8; echo slept"`}, proof: "    slept\n"},
	{name: "unknown function", args: []string{"m1", "nosuch.function"}, proof: "is not available", code: 1},
	{
		name: "text", args: []string{"m1", "test.echo", "grüße, 'quoted' \"too\"\nsecond line"},
		proof: "    grüße, 'quoted' \"too\"\n    second line\n",
	},
	{name: "grains.items", args: []string{"m1", "grains.items"}, proof: "saltversion:", facts: true},
	{name: "grains.items json", args: []string{"--out", "json", "m1", "grains.items"}, proof: `"saltversion":`, facts: true},
	{name: "out json", args: outputArgs("json"), proof: `"two"`},
	{name: "out yaml", args: outputArgs("yaml"), proof: "- two"},
	{name: "out txt", args: outputArgs("txt"), proof: "m1: {"},
	{name: "out raw", args: outputArgs("raw"), proof: "{'m1': {"},
	{name: "out nested", args: outputArgs("nested"), proof: "- two"},
	{name: "out json two", args: []string{"--out", "json", "*", "test.ping"}, proof: `"m2": true`, sorted: true},
	{name: "static", args: []string{"--static", "--out", "json", "m1", "test.ping"}, proof: `"m1": true`},
	{name: "static two", args: []string{"--static", "*", "test.ping"}, proof: "m2:\n    True\n"},
	{name: "verbose", args: []string{"-v", "m1", "test.ping"}, proof: "Executing job with jid <jid>\n-----"},
	{name: "async", args: []string{"--async", "m1", "test.ping"}, proof: "Executed command with job ID: <jid>\n"},
}

// outputArgs ask for a value with text, numbers, nothing, a list and a map in it.
func outputArgs(outputter string) []string {
	return []string{"--out", outputter, "m1", "test.arg", "1", "two", "k=[a, 2.5, null]"}
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

// proven tells whether stock's own answer is the one the question is about.
func (q question) proven(said Answer) error {
	if said.Code != q.code || !strings.Contains(said.Stdout, q.proof) {
		return fmt.Errorf("stock itself printed %q with status %d, not %q with status %d", said.Stdout, said.Code,
			q.proof, q.code)
	}
	return nil
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

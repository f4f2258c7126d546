package saltkey

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/pki"
)

// propose shows what would change and asks (spec: key-management-cli §4.1). named are the states that
// were searched.
func (t *tool) propose(pattern string, keys []keyID, named []pki.State, done string) (bool, error) {
	if len(keys) == 0 {
		t.nothing = true
		t.say("The key glob '%s' does not match any %s keys.\n", pattern, joinStates(named))
		return false, nil
	}
	if t.view.lines && t.yes {
		return true, nil // programs read what was done
	}
	t.say("The following keys are going to be %s:\n", done)
	if err := t.show(t.byState(keys), ""); err != nil {
		return false, err
	}
	return t.confirm(done != "deleted")
}

// confirm asks unless --yes was given; an empty line means byDefault.
func (t *tool) confirm(byDefault bool) (bool, error) {
	if t.yes {
		return true, nil
	}
	prompt := "Proceed? [n/Y] "
	if !byDefault {
		prompt = "Proceed? [N/y] "
	}
	if err := t.stdout.Flush(); err != nil {
		return false, err
	}
	if t.view.lines {
		fmt.Fprint(t.stderr, prompt)
	} else {
		t.say("%s", prompt)
	}
	if err := t.stdout.Flush(); err != nil {
		return false, err
	}
	line, err := t.readLine()
	if err != nil {
		return false, err
	}
	yes := byDefault
	if line != "" {
		yes = line[0] == 'y' || line[0] == 'Y'
	}
	t.declined = !yes
	return yes, nil
}

// joinStates names states as "unaccepted, rejected or denied".
func joinStates(states []pki.State) string {
	var words []string
	for _, s := range []struct {
		state pki.State
		word  string
	}{{pki.Pending, "unaccepted"}, {pki.Accepted, "accepted"}, {pki.Rejected, "rejected"}, {pki.Denied, "denied"}} {
		if slices.Contains(states, s.state) {
			words = append(words, s.word)
		}
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return words[0]
}

// readLine reads the answer to the prompt; a signal ends the run without an answer.
func (t *tool) readLine() (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends with the process when interrupted: a read of a terminal cannot be taken back
		line, err := cliargs.ReadLine(t.stdin)
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return "", errEOF
		}
		return a.line, nil
	case <-t.ctx.Done():
		return "", context.Cause(t.ctx)
	}
}

// truthy reads the value of --rotate-aes-key and --preserve-minions: any text but false is true, an
// absent option means otherwise.
func truthy(value string, otherwise bool) bool {
	if value == "" {
		return otherwise
	}
	return !strings.EqualFold(value, "false")
}

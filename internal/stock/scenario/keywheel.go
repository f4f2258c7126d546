package scenario

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/saltern-io/saltern/internal/stock"
)

// keywheel is salt-key --eauth of both kinds against a stock master that lets one user call wheel
// functions.
type keywheel struct {
	column *Column

	host *host
	made once
	said map[string]string // by stock, about a token, by password
}

// keywheelGroups have both key commands act through the column's master.
func keywheelGroups(c *Column) []Group {
	k := &keywheel{column: c}
	g := Group{Name: "saltern salt-key --eauth, stock master", Steps: []Step{
		{Name: "shows the same", Run: k.shows},
		{Name: "refused the same", Run: k.refused},
		{Name: "tokens", Run: k.tokens},
		{Name: "changes what it shows", Run: k.changes},
	}}
	if c.Saltern == nil {
		g.Skip = noSaltern
	}
	return []Group{g}
}

// make starts the master; its store has a key in every state but denied.
func (k *keywheel) make(ctx context.Context, b *Bench) error {
	return k.made.do(func() error {
		users := filepath.Join(b.Dir, "users")
		if err := os.WriteFile(users, []byte("ops:one\nbob:two\n"), 0o600); err != nil {
			return err
		}
		var err error
		k.host, err = newHost(b, "m", "127.0.0.1", hostOptions{master: k.column.Salt, extra: []string{
			"external_auth: {file: {'^filename': " + users + ", ops: ['@wheel'], bob: [test.ping]}}",
		}})
		if err != nil {
			return err
		}
		if err := k.host.startMaster(ctx); err != nil {
			return err
		}
		for id, state := range map[string]string{
			"a1": "minions", "a2": "minions", "a3": "minions", "p1": "minions_pre", "p2": "minions_pre", "p3": "minions_pre", "r1": "minions_rejected",
		} {
			if err := copyFile(filepath.Join(stock.PKIDir(k.host.root), "master.pub"), filepath.Join(stock.PKIDir(k.host.root), state, id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// as runs the key command of software with a user's credentials.
func (k *keywheel) as(ctx context.Context, software stock.Software, user, password string, args ...string) (stock.Result, error) {
	args = append([]string{"--eauth", "file", "--username", user, "--password", password}, args...)
	if software.Label() == "saltern" {
		args = append(args, "--compat", k.column.Salt.Series())
	}
	return k.host.bench.run(ctx, software, stock.Key, k.host.configDir, args...)
}

// same wants one output and one status of both.
func (k *keywheel) same(ctx context.Context, user, password string, args ...string) error {
	theirs, err := k.as(ctx, k.column.Salt, user, password, args...)
	if err != nil {
		return err
	}
	ours, err := k.as(ctx, orNil(k.column.Saltern), user, password, args...)
	if err != nil {
		return err
	}
	if theirs.Stdout != ours.Stdout || theirs.Code != ours.Code {
		return fmt.Errorf("salt-key --eauth %q: stock prints %q and ends with %d, saltern %q and %d",
			args, theirs.Stdout, theirs.Code, ours.Stdout, ours.Code)
	}
	return nil
}

func (k *keywheel) shows(ctx context.Context, b *Bench) error {
	if err := k.make(ctx, b); err != nil {
		return err
	}
	for _, args := range [][]string{
		nil,
		{"-L", "--out", "json"},
		{"-l", "un"},
		{"-p", "a1"},
		{"-P", "--out", "yaml"},
		{"-f", "p*"},
		{"-F"},
		{"-f", "nobody"},
		{"-a", "nobody", "--include-denied"},
		{"-d", "a1"}, // without an answer
	} {
		if err := k.same(ctx, "ops", "one", args...); err != nil {
			return err
		}
	}
	return nil
}

func (k *keywheel) refused(ctx context.Context, b *Bench) error {
	if err := k.make(ctx, b); err != nil {
		return err
	}
	for _, c := range []struct{ user, password string }{{"ops", "wrong"}, {"bob", "two"}, {"nobody", "x"}} {
		for _, args := range [][]string{{"-L"}, {"-y", "-a", "p1"}, {"-q", "-L"}} {
			if err := k.same(ctx, c.user, c.password, args...); err != nil {
				return fmt.Errorf("as %s: %w", c.user, err)
			}
		}
	}
	return k.lies("minions_pre", "p1")
}

// tokens has each command make one, and saltern's use both.
func (k *keywheel) tokens(ctx context.Context, b *Bench) error {
	if err := k.make(ctx, b); err != nil {
		return err
	}
	file := filepath.Join(b.Dir, "salt_token")
	for _, maker := range []stock.Software{k.column.Salt, orNil(k.column.Saltern)} {
		made, err := k.as(ctx, maker, "ops", "one", "-T", "-L")
		if err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			return fmt.Errorf("token of %s: %v: %w", maker.Label(), info, err)
		}
		used, err := b.run(ctx, orNil(k.column.Saltern), stock.Key, k.host.configDir, "--eauth", "file", "-L", "--compat", k.column.Salt.Series())
		if err != nil {
			return err
		}
		if used.Stdout != made.Stdout || !strings.Contains(used.Stdout, "p1") {
			return fmt.Errorf("with the token of %s: %q, made with %q", maker.Label(), used.Stdout, made.Stdout)
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	// A user without rights gets a token, and no further.
	for _, software := range []stock.Software{k.column.Salt, orNil(k.column.Saltern)} {
		for _, password := range []string{"two", "wrong"} {
			said, err := k.as(ctx, software, "bob", password, "-T", "-L")
			if err != nil {
				return err
			}
			if k.said == nil {
				k.said = map[string]string{}
			}
			if before, ok := k.said[password]; ok && before != said.Stdout || !strings.HasPrefix(said.Stdout, "Authentication failure of type") {
				return fmt.Errorf("as bob: %q prints %s, stock %q", said.Stdout, software.Label(), before)
			}
			k.said[password] = said.Stdout
			if err := os.RemoveAll(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// changes are saltern's alone: stock's command has the master do nothing in all of these.
func (k *keywheel) changes(ctx context.Context, b *Bench) error {
	if err := k.make(ctx, b); err != nil {
		return err
	}
	for _, c := range []struct {
		args       []string
		done       string
		state, ids string // where they lie then; "" nowhere
	}{
		{[]string{"-a", "p1"}, "accepted", "minions", "p1"},
		{[]string{"-a", "r1", "--include-rejected"}, "accepted", "minions", "r1"},
		{[]string{"-r", "a3", "--include-accepted"}, "rejected", "minions_rejected", "a3"},
		{[]string{"-R"}, "rejected", "minions_rejected", "p2 p3"},
		{[]string{"-d", "a1,a2"}, "deleted", "", "a1 a2"},
	} {
		result, err := k.as(ctx, orNil(k.column.Saltern), "ops", "one", append([]string{"-y", "--strict-exit"}, c.args...)...)
		if err != nil {
			return err
		}
		for _, id := range strings.Fields(c.ids) {
			if line := fmt.Sprintf("Key for minion %s %s.\n", id, c.done); result.Code != 0 || !strings.Contains(result.Stdout, line) {
				return fmt.Errorf("%q: status %d, %q", c.args, result.Code, result.Stdout)
			}
			if err := k.lies(c.state, id); err != nil {
				return fmt.Errorf("after %q: %w", c.args, err)
			}
		}
	}
	return nil
}

// lies wants the key of id in exactly this state.
func (k *keywheel) lies(state, id string) error {
	return (&keystore{host: k.host}).placed(id, state)
}

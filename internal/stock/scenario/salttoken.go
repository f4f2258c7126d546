package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// salttoken is salt -T of both kinds: at a stock master with external authentication and one minion, and at a
// saltern master, which authenticates nobody that way.
type salttoken struct {
	column *Column

	host *host
	made once
}

func salttokenGroups(c *Column) []Group {
	s := &salttoken{column: c}
	g := Group{Name: "salt -T of saltern, stock master", Steps: []Step{
		{Name: "each makes, both use", Run: s.makesAndUses},
		{Name: "which counts", Run: s.precedence},
	}}
	o := &salttoken{column: c}
	ours := Group{Name: "salt -T of stock, saltern master", Steps: []Step{{Name: "refused the same", Run: o.refused}}}
	if c.Saltern == nil {
		g.Skip, ours.Skip = noSaltern, noSaltern
	}
	return []Group{g, ours}
}

func (s *salttoken) make(ctx context.Context, b *Bench, master stock.Software, extra ...string) error {
	return s.made.do(func() error {
		var err error
		if s.host, err = newHost(b, "m", "127.0.0.1", hostOptions{master: master, extra: extra}); err != nil {
			return err
		}
		if err := s.host.startMaster(ctx); err != nil {
			return err
		}
		m, err := newMinion(s.host, s.column.Salt, "m1")
		if err != nil {
			return err
		}
		return join(ctx, master, m)
	})
}

func (s *salttoken) stockMaster(ctx context.Context, b *Bench) error {
	users := filepath.Join(b.Dir, "users")
	if err := os.WriteFile(users, []byte("ops:one\nbob:two\n"), 0o600); err != nil {
		return err
	}
	return s.make(ctx, b, s.column.Salt, "external_auth: {file: {'^filename': "+users+", ops: [test.ping], bob: [test.version]}}")
}

// rootKey is what tells salt that the caller is the master's administrator; hide takes it away, as from any other account.
func (s *salttoken) rootKey() (path string, hide, show func() error) {
	path = filepath.Join(s.host.root, "var/cache/salt/master/.root_key")
	return path, func() error { return os.Rename(path, path+".away") }, func() error { return os.Rename(path+".away", path) }
}

// tokenRun is what one call printed, and who published by the master's word; "" when nothing was published.
type tokenRun struct {
	out  string
	code int
	user string
}

func (s *salttoken) run(ctx context.Context, software stock.Software, args ...string) (tokenRun, error) {
	if err := s.host.listen(ctx); err != nil {
		return tokenRun{}, err
	}
	position := s.host.bus.Len()
	result, err := s.host.bench.run(ctx, software, stock.Command, s.host.configDir, append(args, "m1", "test.ping")...)
	run := tokenRun{out: result.Stdout, code: result.Code}
	for _, e := range s.host.bus.Since(position) {
		if user := e.Str("user"); user != "" && e.Has("minions") {
			run.user = user
		}
	}
	return run, err
}

var asOps = []string{"-a", "file", "--username", "ops", "--password", "one"}

// makesAndUses: a token of either command is kept in one file in one form, and used by both.
func (s *salttoken) makesAndUses(ctx context.Context, b *Bench) (err error) {
	if err := s.stockMaster(ctx, b); err != nil {
		return err
	}
	path, hide, show := s.rootKey()
	if err := hide(); err != nil {
		return fmt.Errorf("root's key %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, show()) }()
	file := filepath.Join(b.Dir, "salt_token")
	both := []stock.Software{s.column.Salt, orNil(s.column.Saltern)}
	for _, maker := range both {
		if err := os.RemoveAll(file); err != nil {
			return err
		}
		made, err := s.run(ctx, maker, append([]string{"-T"}, asOps...)...)
		if err != nil {
			return err
		}
		token, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("token of %s: %w, printed %q", maker.Label(), err, made.out)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			return fmt.Errorf("token of %s: %v: %w", maker.Label(), info, err)
		}
		if _, err := os.Stat(filepath.Join(s.host.root, "var/cache/salt/master/tokens", string(token))); err != nil {
			return fmt.Errorf("token of %s is not the master's: %w", maker.Label(), err)
		}
		for _, user := range both {
			used, err := s.run(ctx, user)
			if err != nil {
				return err
			}
			if want := (tokenRun{"m1:\n    True\n", 0, "ops"}); used != want || made != want {
				return fmt.Errorf("token of %s: made with %+v, used by %s with %+v", maker.Label(), made, user.Label(), used)
			}
		}
	}
	return nil
}

// precedence compares what the commands do where several things say who asks.
func (s *salttoken) precedence(ctx context.Context, b *Bench) error {
	if err := s.stockMaster(ctx, b); err != nil {
		return err
	}
	_, hide, show := s.rootKey()
	file := filepath.Join(b.Dir, "salt_token")
	both := []stock.Software{s.column.Salt, orNil(s.column.Saltern)}
	// A good token to start from.
	if err := os.RemoveAll(file); err != nil {
		return err
	}
	if _, err := s.run(ctx, s.column.Salt, append([]string{"-T"}, asOps...)...); err != nil {
		return err
	}
	good, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	bob := []string{"-T", "-a", "file", "--username", "bob", "--password", "two"}
	for _, c := range []struct {
		name  string
		token string
		age   time.Duration
		root  bool
		args  []string
		user  string
		fresh bool // the file is another one afterwards
	}{
		{"kept token, another user named", string(good), 0, false, bob, "ops", false},
		{"kept token, -T", string(good), 0, false, append([]string{"-T"}, asOps...), "ops", false},
		{"kept token and root's key", string(good), 0, true, nil, "root", false},
		{"kept token and root's key, batch", string(good), 0, true, []string{"-b", "1"}, "ops", false},
		{"token too old, -T", string(good), 13 * time.Hour, false, append([]string{"-T"}, asOps...), "ops", true},
		{"token too old, no -a", string(good), 13 * time.Hour, true, nil, "root", false},
		{"unknown token", "feed", 0, false, nil, "", false},
		{"no token, user without the right", "", 0, false, bob, "", true},
	} {
		var runs [2]tokenRun
		for i, software := range both {
			then := time.Now().Add(-c.age)
			err := os.RemoveAll(file)
			if c.token != "" {
				err = errors.Join(err, os.WriteFile(file, []byte(c.token), 0o600), os.Chtimes(file, then, then))
			}
			if !c.root {
				err = errors.Join(err, hide())
			}
			if err != nil {
				return err
			}
			runs[i], err = s.run(ctx, software, c.args...)
			if !c.root {
				err = errors.Join(err, show())
			}
			if err != nil {
				return err
			}
			left, err := os.ReadFile(file)
			if err != nil || (string(left) != c.token) != c.fresh {
				return fmt.Errorf("%s: %s left the token %.8q, %w", c.name, software.Label(), left, err)
			}
		}
		theirs, ours := runs[0], runs[1]
		if theirs.user != c.user || ours.user != c.user || theirs.code != ours.code || !sameTokenOutput(theirs.out, ours.out) {
			return fmt.Errorf("%s: stock %+v, saltern %+v, wanted user %q", c.name, theirs, ours, c.user)
		}
	}
	return nil
}

// sameTokenOutput compares stdout; nothing differs but job ids.
func sameTokenOutput(a, b string) bool {
	return jidPattern.ReplaceAllString(a, "JID") == jidPattern.ReplaceAllString(b, "JID")
}

// refused: a saltern master issues no token; both commands say the same and keep nothing.
func (s *salttoken) refused(ctx context.Context, b *Bench) error {
	if err := s.make(ctx, b, orNil(s.column.Saltern)); err != nil {
		return err
	}
	theirs, err := s.run(ctx, s.column.Salt, append([]string{"-T"}, asOps...)...)
	if err != nil {
		return err
	}
	ours, err := s.run(ctx, orNil(s.column.Saltern), append([]string{"-T"}, asOps...)...)
	if err != nil {
		return err
	}
	if theirs != ours || theirs.user != "" {
		return fmt.Errorf("stock %+v, saltern %+v", theirs, ours)
	}
	if _, err := os.Stat(filepath.Join(b.Dir, "salt_token")); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a token is kept: %w", err)
	}
	return nil
}

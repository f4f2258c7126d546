package scenario

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/saltern-io/saltern/internal/stock"
)

// keystore is one pki_dir that one software makes and the other goes on with, and back, under minions
// that nobody accepts again.
type keystore struct {
	column       *Column
	first, other stock.Software

	host   *host
	m1, m2 *minion
	made   once
}

// keystoreGroups have saltern make the directory for stock, and stock for saltern.
func keystoreGroups(c *Column) []Group {
	our := orNil(c.Saltern)
	var groups []Group
	for _, pair := range [][2]stock.Software{{our, c.Salt}, {c.Salt, our}} {
		k := &keystore{column: c, first: pair[0], other: pair[1]}
		g := Group{Name: fmt.Sprintf("pki_dir of %s under %s", pair[0].Label(), pair[1].Label()), Steps: []Step{
			{Name: "modes", Run: k.modes},
			{Name: "salt-key of both", Run: k.lists},
			{Name: "taken over and back", Run: k.takeOver},
		}}
		if c.Saltern == nil {
			g.Skip = noSaltern
		}
		groups = append(groups, g)
	}
	return groups
}

// make has the first software make everything: the master's keys, an accepted minion, a rejected one and a
// pending key.
func (k *keystore) make(ctx context.Context, b *Bench) error {
	return k.made.do(func() error {
		var err error
		k.host, err = newHost(b, "m", "127.0.0.1", hostOptions{master: k.first, extra: k.column.oldMinions()})
		if err != nil {
			return err
		}
		if k.m1, err = newMinion(k.host, k.column.Salt, "m1"); err != nil {
			return err
		}
		if k.m2, err = newMinion(k.host, k.column.Salt, "m2"); err != nil {
			return err
		}
		if err := k.host.startMaster(ctx); err != nil {
			return err
		}
		if err := join(ctx, k.first, k.m1); err != nil {
			return err
		}
		if err := k.m2.start(); err != nil {
			return err
		}
		if err := k.host.waitPending(ctx, k.m2.process, "m2"); err != nil {
			return err
		}
		if _, err := b.run(ctx, k.first, stock.Key, k.host.configDir, "-y", "-r", "m2"); err != nil {
			return err
		}
		if err := k.m2.process.Kill(); err != nil {
			return err
		}
		pem, err := os.ReadFile(filepath.Join(stock.PKIDir(k.host.root), "minions", "m1"))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(stock.PKIDir(k.host.root), "minions_pre", "m3"), pem, 0o644)
	})
}

// modes are those of stock, whoever made the directory (spec: key-management-cli §2.2).
func (k *keystore) modes(ctx context.Context, b *Bench) error {
	if err := k.make(ctx, b); err != nil {
		return err
	}
	return k.checkModes()
}

func (k *keystore) checkModes() error {
	root := stock.PKIDir(k.host.root)
	var faults []error
	want := func(path string, mode fs.FileMode, allowed ...fs.FileMode) {
		for _, m := range allowed {
			if mode == m {
				return
			}
		}
		faults = append(faults, fmt.Errorf("%s has mode %04o, want one of %04o", path, mode, allowed))
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, mode := strings.TrimPrefix(path, root), info.Mode().Perm()
		switch {
		case path == root:
			want("pki_dir", mode, 0o700)
		case d.IsDir() && strings.HasPrefix(rel, "/minions"):
			want(rel, mode, 0o755)
		case d.IsDir():
		case strings.HasSuffix(rel, ".pem"):
			want(rel, mode, 0o400)
		default:
			want(rel, mode, 0o644, 0o600, 0o400)
		}
		return nil
	})
	return errors.Join(append(faults, err)...)
}

// lists compares what both key commands print about the directory.
func (k *keystore) lists(ctx context.Context, b *Bench) error {
	if err := k.make(ctx, b); err != nil {
		return err
	}
	return k.sameLists(ctx, b)
}

func (k *keystore) sameLists(ctx context.Context, b *Bench) error {
	for _, args := range [][]string{{"-L"}, {"-P"}, {"-F"}, {"-L", "--out", "json"}, {"-l", "rej"}, {"-f", "m*", "--out", "yaml"}} {
		theirs, err := b.run(ctx, k.column.Salt, stock.Key, k.host.configDir, args...)
		if err != nil {
			return err
		}
		ours, err := b.run(ctx, orNil(k.column.Saltern), stock.Key, k.host.configDir, append(args, "--compat", k.column.Salt.Series())...)
		if err != nil {
			return err
		}
		if theirs.Stdout != ours.Stdout || ours.Stdout == "" {
			return fmt.Errorf("salt-key %q: stock prints %q, saltern %q", args, theirs.Stdout, ours.Stdout)
		}
	}
	return nil
}

// takeOver stops the first master, runs the other on the same directory, changes keys with its key command,
// and goes back.
func (k *keystore) takeOver(ctx context.Context, b *Bench) error {
	if err := k.make(ctx, b); err != nil {
		return err
	}
	for _, turn := range []struct {
		master stock.Software
		change []string
		state  string // where m3 lies afterwards
	}{
		{k.other, []string{"-a", "m3"}, "minions"},
		{k.first, []string{"-r", "m3", "--include-accepted"}, "minions_rejected"},
		{k.other, []string{"-a", "m3", "--include-rejected"}, "minions"},
		{k.first, []string{"-d", "m3"}, ""},
	} {
		if err := b.stop(k.host.master); err != nil {
			return err
		}
		k.host.masterSoftware = turn.master
		if err := k.host.startMaster(ctx); err != nil {
			return err
		}
		if _, err := b.run(ctx, turn.master, stock.Key, k.host.configDir, append([]string{"-y"}, turn.change...)...); err != nil {
			return err
		}
		if err := k.placed("m3", turn.state); err != nil {
			return fmt.Errorf("after salt-key %q of %s: %w", turn.change, turn.master.Label(), err)
		}
		if err := k.host.complete(ctx, turn.master, "m1"); err != nil {
			return fmt.Errorf("under %s: %w", turn.master.Label(), err)
		}
		if err := errors.Join(k.placed("m1", "minions"), k.placed("m2", "minions_rejected"), k.checkModes(), k.sameLists(ctx, b)); err != nil {
			return fmt.Errorf("under %s: %w", turn.master.Label(), err)
		}
	}
	return nil
}

// placed wants the key of id in exactly this state.
func (k *keystore) placed(id, want string) error {
	var found []string
	for _, state := range []string{"minions", "minions_pre", "minions_rejected", "minions_denied"} {
		if _, err := os.Lstat(filepath.Join(stock.PKIDir(k.host.root), state, id)); err == nil {
			found = append(found, state)
		}
	}
	if strings.Join(found, " ") != want {
		return fmt.Errorf("the key of %s is in %q, want %q", id, found, want)
	}
	return nil
}

package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// rotation is a saltern master whose keys are replaced under one stock minion.
type rotation struct {
	column *Column
	host   *host
	m      *minion
	signed bool // the master signs its key, the minion verifies it
	joined once
}

// rotationGroups show what a release's minion does when keys change.
func rotationGroups(c *Column) []Group {
	plain, signed := &rotation{column: c}, &rotation{column: c, signed: true}
	groups := []Group{
		{Name: "rotation saltern", Steps: []Step{
			{Name: "aes key", Run: plain.aesKey},
			{Name: "minion key", Run: plain.minionKey},
			{Name: "master key refused", Run: plain.masterKeyRefused},
		}},
		{Name: "rotation saltern signed", Steps: []Step{
			{Name: "aes key", Run: signed.aesKey},
			{Name: "master key accepted", Run: signed.masterKeyAccepted},
		}},
	}
	if c.Saltern == nil {
		for i := range groups {
			groups[i].Skip = noSaltern
		}
	}
	return groups
}

func (r *rotation) build(ctx context.Context, b *Bench) error {
	return r.joined.do(func() error {
		extra := append(r.column.oldMinions(), "saltern_rotation_gap: 0") // what is measured is the minion
		var options []string
		if r.signed {
			extra = append(extra, "master_sign_pubkey: True")
			options = []string{"verify_master_pubkey_sign: True"}
		}
		var err error
		r.host, err = newHost(b, "r", "127.0.0.1", hostOptions{master: r.column.Saltern, extra: extra})
		if err != nil {
			return err
		}
		if err := r.host.startMaster(ctx); err != nil {
			return err
		}
		dir, err := b.subdir("m1")
		if err != nil {
			return err
		}
		r.m = &minion{id: "m1", above: r.host, salt: r.column.Salt, configDir: filepath.Join(dir, "c")}
		err = stock.MinionConfig{
			Root: filepath.Join(dir, "r"), ID: r.m.id, Master: r.host.address, RequestPort: r.host.request,
			Extra: append(options, "rejected_retry: True"),
		}.Write(r.m.configDir)
		if err != nil {
			return err
		}
		if r.signed {
			text, err := os.ReadFile(filepath.Join(stock.PKIDir(r.host.root), "master_sign.pub"))
			if err != nil {
				return err
			}
			if err := os.MkdirAll(r.minionPKI(), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(r.minionPKI(), "master_sign.pub"), text, 0o600); err != nil {
				return err
			}
		}
		return join(ctx, r.column.Saltern, r.m)
	})
}

func (r *rotation) minionPKI() string {
	return filepath.Join(filepath.Dir(r.m.configDir), "r/etc/salt/pki/minion")
}

// tool runs one of saltern's own words after "saltern key".
func (r *rotation) tool(ctx context.Context, b *Bench, args ...string) (string, error) {
	argv, err := r.column.Saltern.Argv(stock.Key, append(args, "-c", r.host.configDir)...)
	if err != nil {
		return "", err
	}
	result, err := stock.Run(ctx, argv, b.environ(r.column.Saltern), commandTimeout)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("%s: status %d, %q, %q", strings.Join(args, " "), result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout, err
}

// again has one job returned, and notes how long after begun.
func (r *rotation) again(ctx context.Context, b *Bench, begun time.Time, what string) error {
	if err := r.host.complete(ctx, r.column.Saltern, r.m.id); err != nil {
		return err
	}
	b.measured("%.1fs", time.Since(begun).Seconds())
	b.note("%s: a job is returned %.1f s later", what, time.Since(begun).Seconds())
	return nil
}

// aesKey: the first job after the rotation is returned; nothing is lost.
func (r *rotation) aesKey(ctx context.Context, b *Bench) error {
	if err := r.build(ctx, b); err != nil {
		return err
	}
	if err := r.host.complete(ctx, r.column.Saltern, r.m.id); err != nil {
		return err
	}
	position := r.host.bus.Len()
	begun := time.Now()
	if _, err := r.tool(ctx, b, "rotate-aes"); err != nil {
		return err
	}
	if _, err := r.host.waitEvent(ctx, position, "key"); err != nil {
		return err
	}
	if err := r.host.returned(ctx, r.column.Saltern, r.m.id, eventTimeout, r.m.id); err != nil {
		return fmt.Errorf("the first job under the new key: %w", err)
	}
	b.measured("%.1fs", time.Since(begun).Seconds())
	b.note("AES key: the first job under the new one is returned %.1f s after the request to rotate", time.Since(begun).Seconds())
	return nil
}

// minionKey: the minion gets a new pair, is denied, and is accepted with it.
func (r *rotation) minionKey(ctx context.Context, b *Bench) error {
	if err := r.build(ctx, b); err != nil {
		return err
	}
	if err := r.m.process.Kill(); err != nil {
		return err
	}
	for _, name := range []string{"minion.pem", "minion.pub"} {
		if err := os.Remove(filepath.Join(r.minionPKI(), name)); err != nil {
			return err
		}
	}
	if err := r.restart(); err != nil {
		return err
	}
	denied := filepath.Join(stock.PKIDir(r.host.root), "minions_denied", r.m.id)
	err := stock.Poll(ctx, "the denied key", startTimeout, func() error { _, err := os.Stat(denied); return err })
	if err != nil {
		return err
	}
	out, err := r.tool(ctx, b, "rotate-minion", r.m.id)
	if err != nil {
		return err
	}
	_, finger, ok := strings.Cut(out, "--fingerprint ")
	if !ok {
		return fmt.Errorf("no fingerprint in %q", out)
	}
	begun := time.Now()
	if _, err := r.tool(ctx, b, "rotate-minion", r.m.id, "--fingerprint", strings.TrimSpace(finger)); err != nil {
		return err
	}
	if err := running(r.m.process); err != nil {
		b.note("minion key: the denied minion had ended in spite of rejected_retry, and was started again")
		if err := r.restart(); err != nil {
			return err
		}
	}
	return r.again(ctx, b, begun, "minion key replaced")
}

// restart starts the minion; the pid files of one that was killed are removed.
func (r *rotation) restart() error {
	files, err := filepath.Glob(filepath.Join(filepath.Dir(r.m.configDir), "r/var/run/*.pid"))
	for _, path := range files {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return err
	}
	return r.m.start()
}

// masterKeyAccepted: a minion that verifies takes the new, signed key by itself.
func (r *rotation) masterKeyAccepted(ctx context.Context, b *Bench) error {
	if err := r.build(ctx, b); err != nil {
		return err
	}
	if _, err := r.tool(ctx, b, "rotate-master", "prepare"); err != nil {
		return err
	}
	begun := time.Now()
	if _, err := r.tool(ctx, b, "rotate-master", "switch", "--reload"); err != nil {
		return err
	}
	return r.again(ctx, b, begun, "master key, signed")
}

// masterKeyRefused: a minion that does not verify refuses it until its copy of the old key is removed.
func (r *rotation) masterKeyRefused(ctx context.Context, b *Bench) error {
	if err := r.build(ctx, b); err != nil {
		return err
	}
	if _, err := r.tool(ctx, b, "rotate-master", "prepare"); err != nil {
		return err
	}
	position := r.host.bus.Len()
	if _, err := r.tool(ctx, b, "rotate-master", "switch", "--force", "--reload"); err != nil {
		return err
	}
	if _, err := r.host.waitEvent(ctx, position, "key"); err != nil {
		return err
	}
	err := r.host.returned(ctx, r.column.Saltern, r.m.id, observed, r.m.id)
	if err == nil {
		return errors.New("the minion took a master key that nobody has signed")
	}
	if !isTimeout(err) {
		return err
	}
	ended := running(r.m.process) != nil
	b.note("master key, not signed: no return within %s, the minion has ended: %v", observed, ended)
	begun := time.Now()
	if err := errors.Join(r.m.process.Kill(), os.Remove(filepath.Join(r.minionPKI(), "minion_master.pub")), r.restart()); err != nil {
		return err
	}
	return r.again(ctx, b, begun, "minion_master.pub removed and minion restarted")
}

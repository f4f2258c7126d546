package scenario

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/saltern-io/saltern/internal/stock"
)

// presign is a master that serves a signature made elsewhere with saltern's salt-key, and stock minions
// that demand it:
//
//	keys/master_sign.pem ──signs──▶ master.pub       the private half never lies in pki_dir
//	keys/master_sign.pub ──copied─▶ master and minions
type presign struct {
	column *Column
	master stock.Software

	host   *host
	served once
}

// presignGroups have the signature served by saltern's master and by the stock one of the column.
func presignGroups(c *Column) []Group {
	var groups []Group
	for _, master := range []stock.Software{orNil(c.Saltern), c.Salt} {
		p := &presign{column: c, master: master}
		g := Group{Name: fmt.Sprintf("presigned by saltern, served by %s", master.Label()), Steps: p.steps()}
		if c.Saltern == nil {
			g.Skip = noSaltern
		}
		groups = append(groups, g)
	}
	return groups
}

func (p *presign) steps() []Step {
	steps := []Step{
		{Name: "minions accept it", Run: func(ctx context.Context, b *Bench) error { return p.serve(ctx, b) }},
		{Name: "known master verified again", Run: p.again},
		{Name: "another signing key refused", Run: p.refused},
	}
	if p.master.Label() == "saltern" {
		steps = append(steps, Step{Name: "stock's signature named", Run: p.stockSignature})
	}
	return steps
}

func (p *presign) key(ctx context.Context, args ...string) error {
	result, err := p.host.bench.run(ctx, orNil(p.column.Saltern), stock.Key, p.host.configDir, append([]string{"--strict-exit"}, args...)...)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("saltern key %q: status %d: %s%s", args, result.Code, result.Stdout, result.Stderr)
	}
	return err
}

func (p *presign) keysDir(name string) string { return filepath.Join(p.host.bench.Dir, name) }

// prepare makes the master's pair, the signing pair outside of pki_dir, and the signature.
func (p *presign) prepare(ctx context.Context, b *Bench) error {
	var err error
	p.host, err = newHost(b, "m", "127.0.0.1", hostOptions{master: p.master, extra: append(p.column.oldMinions(),
		"master_sign_pubkey: True", "master_use_pubkey_signature: True")})
	if err != nil {
		return err
	}
	pki := stock.PKIDir(p.host.root)
	if err := os.MkdirAll(pki, 0o700); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"--gen-keys", "master", "--gen-keys-dir", pki},
		{"--gen-keys", "master_sign", "--gen-keys-dir", p.keysDir("keys")},
		{"--gen-keys", "master_sign", "--gen-keys-dir", p.keysDir("other")},
		{"--gen-signature", "--priv", filepath.Join(p.keysDir("keys"), "master_sign.pem"), "--compat", p.column.Salt.Series()},
		{"--verify-signature", "--priv", filepath.Join(p.keysDir("keys"), "master_sign.pub"), "--compat", p.column.Salt.Series()},
	} {
		if err := p.key(ctx, args...); err != nil {
			return err
		}
	}
	return copyFile(filepath.Join(p.keysDir("keys"), "master_sign.pub"), filepath.Join(pki, "master_sign.pub"))
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// minion is one that demands a signature by the key in keys.
func (p *presign) minion(id, keys string, extra ...string) (*minion, error) {
	m, err := newMinion(p.host, p.column.Salt, id)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(filepath.Dir(m.configDir), "r")
	err = stock.MinionConfig{
		Root: root, ID: id, Master: p.host.address, RequestPort: p.host.request,
		Extra: append([]string{"verify_master_pubkey_sign: True", "always_verify_signature: True"}, extra...),
	}.Write(m.configDir)
	if err != nil {
		return nil, err
	}
	return m, copyFile(filepath.Join(p.keysDir(keys), "master_sign.pub"), filepath.Join(root, "etc/salt/pki/minion/master_sign.pub"))
}

// serve starts the master and two minions that verify, one with each digest a release knows.
func (p *presign) serve(ctx context.Context, b *Bench) error {
	return p.served.do(func() error {
		if err := p.prepare(ctx, b); err != nil {
			return err
		}
		if err := p.host.startMaster(ctx); err != nil {
			return err
		}
		m1, err := p.minion("m1", "keys")
		if err != nil {
			return err
		}
		minions, ids := []*minion{m1}, []string{"m1"}
		if p.master.Label() == "saltern" { // a stock master serves one digest only
			m2, err := p.minion("m2", "keys", "signing_algorithm: PKCS1v15-SHA224", "encryption_algorithm: OAEP-SHA224")
			if err != nil {
				return err
			}
			minions, ids = append(minions, m2), append(ids, "m2")
		}
		if err := join(ctx, orNil(p.column.Saltern), minions...); err != nil {
			return err
		}
		if _, err := os.Lstat(filepath.Join(stock.PKIDir(p.host.root), "master_sign.pem")); err == nil {
			return fmt.Errorf("the private signing key is in pki_dir")
		}
		return p.host.complete(ctx, p.column.Salt, ids...)
	})
}

// again restarts a minion that knows the master's key: always_verify_signature has it verify all the same.
func (p *presign) again(ctx context.Context, b *Bench) error {
	if err := p.serve(ctx, b); err != nil {
		return err
	}
	for _, process := range b.processes {
		if process.Name != "m1" {
			continue
		}
		if _, ended := process.Exited(); ended {
			continue
		}
		if err := b.stop(process); err != nil {
			return err
		}
	}
	position := p.host.bus.Len()
	m, err := p.minion("m1", "keys")
	if err != nil {
		return err
	}
	if err := m.start(); err != nil {
		return err
	}
	_, err = p.host.waitEvent(ctx, position, "salt/minion/m1/start")
	return err
}

// refused is the proof that the minions do verify: one with another signing key does not connect.
func (p *presign) refused(ctx context.Context, b *Bench) error {
	if err := p.serve(ctx, b); err != nil {
		return err
	}
	m, err := p.minion("m9", "other")
	if err != nil {
		return err
	}
	if err := m.start(); err != nil {
		return err
	}
	if err := p.host.waitPending(ctx, m.process, m.id); err != nil {
		return err
	}
	position := p.host.bus.Len()
	if _, err := p.host.accept(ctx, orNil(p.column.Saltern), m.id); err != nil {
		return err
	}
	err = stock.Poll(ctx, "the refusal of m9", startTimeout, func() error {
		if strings.Contains(m.process.Tail(400), "signature verification failed") {
			return nil
		}
		return fmt.Errorf("not in the log of m9")
	})
	if err != nil {
		return err
	}
	for _, e := range p.host.bus.Since(position) {
		if e.Tag == "salt/minion/m9/start" {
			return fmt.Errorf("m9 started with a master whose signature it refused")
		}
	}
	return m.process.Kill()
}

// stockSignature has the release's own salt-key sign: saltern's tool and master say what is wrong with it.
func (p *presign) stockSignature(ctx context.Context, b *Bench) error {
	if err := p.serve(ctx, b); err != nil {
		return err
	}
	if err := b.stop(p.host.master); err != nil {
		return err
	}
	pki := stock.PKIDir(p.host.root)
	files, err := filepath.Glob(filepath.Join(pki, "*_pubkey_signature*"))
	if err != nil {
		return err
	}
	for _, path := range files {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	// 3008 wants the signature to be switched off while it makes one (spec: key-management-cli §6.4).
	signer, err := newHost(b, "s", "127.0.0.1", hostOptions{master: p.column.Salt})
	if err != nil {
		return err
	}
	for _, name := range []string{"master.pem", "master.pub"} {
		if err := copyFile(filepath.Join(pki, name), filepath.Join(stock.PKIDir(signer.root), name)); err != nil {
			return err
		}
	}
	made, err := b.run(ctx, p.column.Salt, stock.Key, signer.configDir, "--gen-signature", "--priv", filepath.Join(p.keysDir("keys"), "master_sign.pem"))
	if err != nil {
		return err
	}
	files, err = filepath.Glob(filepath.Join(stock.PKIDir(signer.root), "*_pubkey_signature"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("stock salt-key --gen-signature made %q (%v): %s%s", files, err, made.Stdout, made.Stderr)
	}
	if err := copyFile(files[0], filepath.Join(pki, "master_pubkey_signature")); err != nil {
		return err
	}
	const named = "including the final newline"
	if err := p.key(ctx, "--verify-signature"); err == nil || !strings.Contains(err.Error(), named) {
		return fmt.Errorf("verified stock's signature: %w", err)
	}
	process, err := b.start("m-master", p.master, stock.Master, p.host.configDir)
	if err != nil {
		return err
	}
	return stock.Poll(ctx, "the end of the master", startTimeout, func() error {
		status, ended := process.Exited()
		if !ended {
			return fmt.Errorf("it runs")
		}
		if !strings.Contains(process.Tail(50), named) || !strings.Contains(status, "1") {
			return fmt.Errorf("ended with %s and %q: %w", status, process.Tail(5), stock.ErrGone)
		}
		return nil
	})
}

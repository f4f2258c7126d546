package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/keyrotate"
	"github.com/saltern-io/saltern/internal/keyshare"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// shareExitConflicts is the exit status when everything was done and conflicts are open.
const shareExitConflicts = 2

// shareTimeout bounds one pull by hand.
const shareTimeout = 60 * time.Second

// shareTool is one run of a command about shared keys.
type shareTool struct {
	ctx     context.Context
	cfg     *config.Master
	out     io.Writer
	share   *keyshare.Share
	revoked bool
}

// shareCommand makes a command whose action gets the opened shared keys.
func shareCommand(use, short, long string, args cobra.PositionalArgs, action func(*shareTool, []string) error) *cobra.Command {
	var dir string
	cmd := &cobra.Command{Use: "saltern key " + use, Short: short, Long: long, Args: args}
	cmd.Flags().StringVarP(&dir, "config-dir", "c", "", "configuration directory")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := keyToolConfig(dir)
		if err != nil {
			return err
		}
		t := &shareTool{ctx: cmd.Context(), cfg: cfg, out: cmd.OutOrStdout()}
		if t.ctx == nil {
			t.ctx = context.Background()
		}
		t.share, err = keyshare.Open(keyshare.Options{
			PKIDir: cfg.PKIDir, Name: strings.TrimSuffix(cfg.ID, "_master"), Revoked: t.revoke,
		})
		if err != nil {
			return failed(err)
		}
		err = action(t, args)
		if exit := (*cliargs.ExitError)(nil); errors.As(err, &exit) {
			return err
		}
		return failed(err)
	}
	return cmd
}

// revoke ends what hangs on a key that another master deleted, rejected or replaced.
func (t *shareTool) revoke(id string) error {
	sessions, err := pki.OpenSessions(filepath.Join(t.cfg.CacheDir, "sessions"), t.cfg.PublishSession)
	if err == nil {
		err = sessions.Delete(id)
	}
	if t.cfg.RotateAESKey && !t.revoked {
		t.revoked = true
		err = errors.Join(err, keyrotate.RequestAESRotation(t.cfg.CacheDir, t.cfg.ID))
	}
	return err
}

// masterKey is this master's own private key; one that is missing is not made here.
func (t *shareTool) masterKey() (*pki.PrivateKey, error) {
	path := filepath.Join(t.cfg.PKIDir, strings.TrimSuffix(t.cfg.ID, "_master")+".pem")
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join(t.cfg.PKIDir, "master.pem")
	}
	return pki.LoadPrivateKey(path, []byte(t.cfg.KeyPass))
}

func newKeyExportCommand() *cobra.Command {
	var signingKey string
	cmd := shareCommand("export [FILE]", "write the decisions about minion keys, signed", "", cobra.MaximumNArgs(1),
		func(t *shareTool, args []string) error {
			key, err := t.masterKey()
			if signingKey != "" {
				key, err = pki.LoadPrivateKey(signingKey, []byte(t.cfg.SigningKeyPass))
			}
			if err != nil {
				return err
			}
			if len(args) == 0 || args[0] == "-" {
				_, err = t.share.Export(t.out, key)
				return err
			}
			f, err := os.CreateTemp(filepath.Dir(args[0]), ".saltern-*")
			if err != nil {
				return err
			}
			defer os.Remove(f.Name())
			n, err := t.share.Export(f, key)
			if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
				err = os.Rename(f.Name(), args[0])
			}
			if err == nil {
				fmt.Fprintf(t.out, "%d decisions written to %s\n", n, args[0])
			}
			return err
		})
	cmd.Flags().StringVar(&signingKey, "signing-key", "", "sign with this key instead of the master's own")
	return cmd
}

func newKeyImportCommand() *cobra.Command {
	return shareCommand("import FILE", "take the decisions of an export",
		"The file must be signed by a master whose key is pinned here (saltern key pin), or by this master's own key.\n"+
			"Exit status 2: done, and conflicts are open.", cobra.ExactArgs(1),
		func(t *shareTool, args []string) error { return t.importFile(args[0]) })
}

func (t *shareTool) importFile(path string) error {
	own, err := t.masterKey()
	if err != nil {
		return err
	}
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	report, err := t.share.Import(in, own.Public())
	return t.tell(report, err)
}

func newKeySyncCommand() *cobra.Command {
	var from string
	cmd := shareCommand("sync [--from NAME|HOST|FILE]", "take the decisions of other masters",
		"Without --from every master of saltern_key_peers is asked, and the store of saltern_key_store. The other master\n"+
			"must list this one in its saltern_key_peers and have its key pinned. Exit status 2: done, and conflicts are open.",
		cobra.NoArgs, func(t *shareTool, _ []string) error { return t.sync(from) })
	cmd.Flags().StringVar(&from, "from", "", "name or host of one peer, or a file of saltern key export")
	return cmd
}

func (t *shareTool) sync(from string) error {
	peers, err := t.cfg.KeyPeerAddresses()
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(peers))
	if from != "" {
		name, ok := findPeer(peers, from)
		if !ok {
			if info, err := os.Stat(from); err == nil && info.Mode().IsRegular() {
				return t.importFile(from)
			}
			return fmt.Errorf("%s is neither a master of saltern_key_peers nor a file", from)
		}
		names = []string{name}
	} else if len(peers) == 0 && t.cfg.KeyStore == "" {
		return errors.New("neither saltern_key_peers nor saltern_key_store is set")
	}
	key, err := t.masterKey()
	if err != nil {
		return err
	}
	var faults []error
	var last keyshare.Report
	for _, name := range names {
		if peers[name] == "" {
			if from != "" {
				return fmt.Errorf("saltern_key_peers has no address of %s", name)
			}
			continue
		}
		report, err := t.pull(name, peers[name], key)
		faults, last = append(faults, err), report
		t.changes(report)
	}
	if from == "" && t.cfg.KeyStore != "" {
		report, err := t.redis(key)
		faults, last = append(faults, err), report
		t.changes(report)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	return t.conflicts(last.Conflicts)
}

// findPeer finds a peer by name, address or host.
func findPeer(peers map[string]string, from string) (string, bool) {
	if _, ok := peers[from]; ok {
		return from, true
	}
	for _, name := range slices.Sorted(maps.Keys(peers)) {
		host, _, err := net.SplitHostPort(peers[name])
		if err == nil && (from == peers[name] || strings.Trim(from, "[]") == host) {
			return name, true
		}
	}
	return "", false
}

func (t *shareTool) pull(name, address string, key *pki.PrivateKey) (report keyshare.Report, err error) {
	zctx, err := transport.NewContext(1, 16)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, zctx.Close()) }()
	client, err := transport.NewRequestClient(transport.RequestClientConfig{Context: zctx, Endpoint: "tcp://" + address})
	if err != nil {
		return report, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, shareTimeout)
	defer cancel()
	report, err = t.share.Pull(ctx, name, key, client.Do)
	return report, errors.Join(err, client.Close())
}

func (t *shareTool) redis(key *pki.PrivateKey) (report keyshare.Report, err error) {
	store, err := keyshare.OpenRedis(t.cfg.KeyStore, t.cfg.KeyStorePrefix)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx, cancel := context.WithTimeout(t.ctx, shareTimeout)
	defer cancel()
	return t.share.SyncRedis(ctx, store, key)
}

// tell prints what a merge came to.
func (t *shareTool) tell(report keyshare.Report, err error) error {
	t.changes(report)
	if err != nil {
		return err
	}
	return t.conflicts(report.Conflicts)
}

func (t *shareTool) changes(report keyshare.Report) {
	acts := map[keyshare.State]string{keyshare.Accepted: "accept", keyshare.Rejected: "reject", keyshare.Deleted: "delete"}
	for _, a := range report.Applied {
		fmt.Fprintf(t.out, "%s %s (%s)\n", a.Entry.ID, a.Entry.State, a.From)
		if a.Denied {
			fmt.Fprintf(t.out, "%s: another pending key was put aside as denied\n", a.Entry.ID)
		}
		announceKey(t.ctx, t.cfg, acts[a.Entry.State], a.Entry.ID)
	}
	if report.From != "" {
		fmt.Fprintf(t.out, "%s: %d decisions, %d new here\n", report.From, report.Taken, len(report.Applied))
	}
}

// conflicts prints what is open, with the exit status that says so.
func (t *shareTool) conflicts(open []keyshare.Conflict) error {
	for _, c := range open {
		fmt.Fprintf(t.out, "CONFLICT %s: %s here (%s), %s at %s (%s)\n", c.ID,
			what(c.Ours.State, c.Ours.Key), c.Ours.When().UTC().Format(time.DateTime),
			what(c.Theirs.State, c.Theirs.KeyHash()), c.From, time.Unix(c.Theirs.Time, 0).UTC().Format(time.DateTime))
	}
	if len(open) == 0 {
		return nil
	}
	fmt.Fprintln(t.out, "Decide each with saltern key resolve ID --keep ours|theirs; until then nothing is changed.")
	return cliargs.Exit(shareExitConflicts)
}

func what(state keyshare.State, hash string) string {
	if hash == "" {
		return string(state)
	}
	return string(state) + " key " + hash[:12]
}

func newKeyConflictsCommand() *cobra.Command {
	return shareCommand("conflicts", "show what masters decided differently", "Exit status 2: conflicts are open.", cobra.NoArgs,
		func(t *shareTool, _ []string) error {
			st, err := t.share.Status()
			if err != nil {
				return err
			}
			peers, err := t.share.Peers()
			if err != nil {
				return err
			}
			fmt.Fprintf(t.out, "%d accepted, %d rejected, %d deleted; pinned masters: %s\n", st.Counts[keyshare.Accepted],
				st.Counts[keyshare.Rejected], st.Counts[keyshare.Deleted], strings.Join(peers, ", "))
			return t.conflicts(st.Conflicts)
		})
}

func newKeyResolveCommand() *cobra.Command {
	var keep string
	cmd := shareCommand("resolve ID --keep ours|theirs", "decide a conflict about a key", "", cobra.ExactArgs(1),
		func(t *shareTool, args []string) error {
			if keep != "ours" && keep != "theirs" {
				return cliargs.Usagef("--keep must be ours or theirs")
			}
			if err := t.share.Resolve(args[0], keep == "theirs"); err != nil {
				return err
			}
			fmt.Fprintf(t.out, "%s: %s is kept, and the other masters will follow.\n", args[0], keep)
			return nil
		})
	cmd.Flags().StringVar(&keep, "keep", "", "ours or theirs")
	return cmd
}

func newKeyPinCommand() *cobra.Command {
	var replace, remove bool
	cmd := shareCommand("pin NAME [FILE]", "take another master's word about keys",
		"FILE is that master's master.pub (or the public half of its signing key). Compare the fingerprint printed with\n"+
			"salt-key -f master.pub there.", cobra.RangeArgs(1, 2),
		func(t *shareTool, args []string) error {
			if remove {
				return t.share.Unpin(args[0])
			}
			if len(args) != 2 {
				return cliargs.Usagef("pin NAME FILE, or pin NAME --remove")
			}
			text, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			finger, err := t.share.Pin(args[0], text, replace)
			if err == nil {
				fmt.Fprintf(t.out, "%s is pinned: %s\n", args[0], finger)
			}
			return err
		})
	cmd.Flags().BoolVar(&replace, "replace", false, "replace the key pinned before")
	cmd.Flags().BoolVar(&remove, "remove", false, "take its word no more")
	return cmd
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/keyrotate"
	"github.com/saltern-io/saltern/internal/saltkey"
	"github.com/saltern-io/saltern/pki"
)

// rotateMinion are the options of "saltern key rotate-minion".
type rotateMinion struct {
	dir, finger string
	wait        time.Duration
	keepAES     bool
}

func newRotateMinionCommand() *cobra.Command {
	var o rotateMinion
	cmd := &cobra.Command{
		Use:   "saltern key rotate-minion ID",
		Short: "replace the accepted key of a minion by the one it shows now",
		Long: "A minion that made itself a new key pair is denied, and its new key is kept beside the accepted one. This puts the\n" +
			"denied key in the place of the accepted one, in one step, when --fingerprint names it: the fingerprint that\n" +
			"salt-call --local key.finger prints on the minion. Without --fingerprint it shows both keys and what to do.",
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVarP(&o.dir, "config-dir", "c", "", "configuration directory")
	f.StringVar(&o.finger, "fingerprint", "", "fingerprint of the new key, as the minion shows it")
	f.DurationVar(&o.wait, "wait", 0, "wait so long for the minion to show its new key")
	f.BoolVar(&o.keepAES, "keep-aes-key", false, "do not rotate the AES key, which the holder of the old key knows")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := keyToolConfig(o.dir)
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		return o.run(ctx, cmd.OutOrStdout(), cfg, args[0])
	}
	return cmd
}

func (o *rotateMinion) run(ctx context.Context, out io.Writer, cfg *config.Master, id string) error {
	store, err := pki.OpenDirStore(cfg.PKIDir, pki.DirOptions{})
	if err != nil {
		return failed(err)
	}
	accepted, err := store.Read(id, pki.Accepted)
	if err != nil {
		return failed(err)
	}
	if accepted.State == pki.None {
		return failed(fmt.Errorf("%s has no accepted key: accept its pending one with salt-key -a", id))
	}
	denied, err := o.deniedKey(ctx, store, id)
	if err != nil {
		return failed(err)
	}
	old := fingerprint(accepted.PEM, cfg.HashType)
	if denied.State == pki.None {
		fmt.Fprintf(out, "%s is accepted with the key %s and shows no other one.\n", id, old)
		fmt.Fprint(out, minionGuide)
		return nil
	}
	if denied.KeyErr != nil {
		return failed(denied.KeyErr)
	}
	shown := fingerprint(denied.PEM, cfg.HashType)
	fmt.Fprintf(out, "accepted  %s\nshown     %s\n", old, shown)
	if o.finger == "" {
		fmt.Fprintf(out, "Compare with salt-call --local key.finger on %s, then: saltern key rotate-minion %s --fingerprint %s\n", id, id, shown)
		return nil
	}
	if !strings.EqualFold(strings.TrimSpace(o.finger), shown) {
		return failed(errors.New("the key that the minion shows has another fingerprint than the one given: nothing was changed"))
	}
	return failed(o.replace(ctx, out, cfg, store, denied))
}

// minionGuide is what to do on the minion.
const minionGuide = `To give it a new one, on the minion:
  systemctl stop salt-minion
  rm /etc/salt/pki/minion/minion.pem /etc/salt/pki/minion/minion.pub
  systemctl start salt-minion     it makes a new pair, is denied here, and ends with status 77 unless rejected_retry: True
  salt-call --local key.finger    the fingerprint to give here
then run this command again with --fingerprint, and start the minion once more.
`

// deniedKey is the key the minion shows; it is waited for when asked.
func (o *rotateMinion) deniedKey(ctx context.Context, store *pki.DirStore, id string) (pki.Entry, error) {
	deadline := time.Now().Add(o.wait)
	for {
		entry, err := store.Read(id, pki.Denied)
		if err != nil || entry.State != pki.None || !time.Now().Before(deadline) {
			return entry, err
		}
		select {
		case <-ctx.Done():
			return entry, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// replace puts the denied key in the place of the accepted one by one rename, then ends what hangs on the old one.
func (o *rotateMinion) replace(ctx context.Context, out io.Writer, cfg *config.Master, store *pki.DirStore, denied pki.Entry) error {
	if err := store.Move(denied.ID, pki.Denied, pki.Accepted); err != nil {
		return err
	}
	sessions, err := pki.OpenSessions(filepath.Join(cfg.CacheDir, "sessions"), cfg.PublishSession)
	if err == nil {
		err = sessions.Delete(denied.ID)
	}
	if !o.keepAES && cfg.RotateAESKey {
		err = errors.Join(err, keyrotate.RequestAESRotation(cfg.CacheDir, cfg.ID))
	}
	announceKey(ctx, cfg, "accept", denied.ID)
	fmt.Fprintf(out, "The key of %s is replaced.\n", denied.ID)
	return err
}

// announceKey fires a key event on the bus of the master on this host; without one it is lost, as salt-key's are.
func announceKey(ctx context.Context, cfg *config.Master, act, id string) {
	events := saltkey.OpenEvents(cfg)
	defer events.Close()
	events.Fire(ctx, act, id)
}

func fingerprint(pem []byte, hash string) string {
	text, err := pki.Fingerprint(pem, hash)
	if err != nil {
		return err.Error()
	}
	return text
}

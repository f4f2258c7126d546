package main

import (
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/keyrotate"
)

func sendHangup(pid int) error { return syscall.Kill(pid, syscall.SIGHUP) }

// rotateMaster are the options of "saltern key rotate-master".
type rotateMaster struct {
	dir, signingKey string
	force, reload   bool
}

func newRotateMasterCommand() *cobra.Command {
	var o rotateMaster
	cmd := &cobra.Command{
		Use:   "saltern key rotate-master status | prepare | sign | switch | rollback | finish | discard",
		Short: "replace the master's key pair, step by step",
		Long: "status    what is in use, prepared and kept, and what the next step is\n" +
			"prepare   make the next pair beside the one in use, and sign it when the signing key is here\n" +
			"sign      sign the prepared pair with --signing-key, which may lie on a stick\n" +
			"switch    put the prepared pair in use; the one before is kept\n" +
			"rollback  put the one before back in use\n" +
			"finish    remove the one before: the end\n" +
			"discard   remove a prepared pair\n\n" +
			"A running master goes on with its pair until it is restarted or gets SIGHUP (--reload).",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{"status", "prepare", "sign", "switch", "rollback", "finish", "discard"},
	}
	f := cmd.Flags()
	f.StringVarP(&o.dir, "config-dir", "c", "", "configuration directory")
	f.StringVar(&o.signingKey, "signing-key", "", "private signing key for sign; default <master_sign_key_name>.pem in pki_dir")
	f.BoolVar(&o.force, "force", false, "switch although minions will refuse the new key")
	f.BoolVar(&o.reload, "reload", false, "send SIGHUP to the running master after switch or rollback")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		step := "status"
		if len(args) == 1 {
			step = args[0]
		}
		return o.run(cmd.OutOrStdout(), step)
	}
	return cmd
}

func (o *rotateMaster) run(out io.Writer, step string) error {
	steps := map[string]func(keyrotate.Dir) error{
		"status":   func(keyrotate.Dir) error { return nil },
		"prepare":  keyrotate.Dir.Prepare,
		"sign":     o.sign,
		"switch":   func(d keyrotate.Dir) error { return d.Switch(o.force) },
		"rollback": keyrotate.Dir.Rollback,
		"finish":   keyrotate.Dir.Finish,
		"discard":  keyrotate.Dir.Discard,
	}
	run, ok := steps[step]
	if !ok {
		return cliargs.Usagef("no step %q: status, prepare, sign, switch, rollback, finish or discard", step)
	}
	cfg, err := keyToolConfig(o.dir)
	if err != nil {
		return err
	}
	d := rotationDir(cfg)
	if err := run(d); err != nil {
		return failed(err)
	}
	if o.reload && (step == "switch" || step == "rollback") {
		if err := hangUp(cfg); err != nil {
			return failed(fmt.Errorf("the pair on disk is changed, the running master was not told: %w", err))
		}
	}
	return failed(showRotation(out, d))
}

func (o *rotateMaster) sign(d keyrotate.Dir) error {
	path := o.signingKey
	if path == "" {
		path = d.Path + "/" + d.SignKeyName + ".pem"
	}
	return d.Sign(path)
}

// showRotation prints where the rotation stands and what to do next.
func showRotation(out io.Writer, d keyrotate.Dir) error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Rotation of the master key: %s\n", s.State)
	for _, one := range []struct{ name, finger string }{{"in use", s.Current}, {"next", s.Next}, {"previous", s.Previous}} {
		if one.finger != "" {
			fmt.Fprintf(out, "  %-9s %s\n", one.name, one.finger)
		}
	}
	say := func(lines ...string) {
		for _, l := range lines {
			fmt.Fprintln(out, "  "+l)
		}
	}
	switch s.State {
	case keyrotate.Idle:
		say("Next: saltern key rotate-master prepare")
	case keyrotate.Prepared:
		if s.NextSigned {
			say("The next key is signed.")
		} else {
			say("The next key is not signed. With the signing key at hand: saltern key rotate-master sign --signing-key FILE",
				"or sign "+s.NextPublic+" elsewhere and put the text beside it as next.sig.")
		}
		sayMinions(say, s)
		say("Next: saltern key rotate-master switch --reload, or discard")
	case keyrotate.UnderWay:
		say("A step was interrupted. Run switch again to end it, or rollback to take it back, before the master is restarted.")
	case keyrotate.Switched:
		say("The pair on disk is the new one. A master that was not restarted or told (--reload) since still uses the other.",
			"Minions sign in again by themselves; salt-run manage.status or saltern status shows who has come.",
			"Next: saltern key rotate-master finish, or rollback")
	}
	return nil
}

// sayMinions tells what minions will do at the switch, as far as this side knows.
func sayMinions(say func(...string), s keyrotate.Status) {
	if s.MinionsVerify {
		say("Minions with verify_master_pubkey_sign: True and the public signing key take the new key by themselves.",
			"Minions without the option refuse to sign in to a master that signs its key (master_sign_pubkey: True) already now.")
	} else {
		say("master_sign_pubkey is off: every minion will refuse the new key until its minion_master.pub is replaced.",
			"Before the switch, while the old key works, have the minions take the new one:",
			"  salt '*' file.remove /etc/salt/pki/minion/minion_master.pub   (they trust the next key they see)",
			"then switch with --force.")
	}
	say("Minions with master_finger need the new fingerprint there before the switch.")
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/keyrotate"
	"github.com/saltern-io/saltern/internal/lifecycle"
)

// keyTools are saltern's own words after "saltern key". Called as salt-key they do not exist: stock ignores arguments.
var keyTools = []program{
	{"rotate-aes", "", "have the master take a new AES key now", newRotateAESCommand},
	{"rotate-master", "", "replace the master's key pair, step by step", newRotateMasterCommand},
	{"rotate-minion", "", "replace the accepted key of a minion by the one it shows now", newRotateMinionCommand},
	{"export", "", "write the decisions about minion keys, signed", newKeyExportCommand},
	{"import", "", "take the decisions of an export", newKeyImportCommand},
	{"sync", "", "take the decisions of other masters", newKeySyncCommand},
	{"conflicts", "", "show what masters decided differently", newKeyConflictsCommand},
	{"resolve", "", "decide a conflict about a key", newKeyResolveCommand},
	{"pin", "", "take another master's word about keys", newKeyPinCommand},
}

// keyTool finds the command that args begin with.
func keyToolNamed(args []string) (program, bool) {
	if len(args) > 0 {
		for _, p := range keyTools {
			if p.word == args[0] {
				return p, true
			}
		}
	}
	return program{}, false
}

// keyToolConfig reads the configuration and becomes its account, as salt-key does.
func keyToolConfig(dir string) (*config.Master, error) {
	cfg, _, err := config.LoadClient(config.LoadOptions{ConfigDir: dir})
	if err != nil {
		return nil, &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: err.Error()}
	}
	account, err := lifecycle.LookupAccount(cfg.User)
	if err == nil {
		err = lifecycle.DropPrivileges(account)
	}
	if err != nil {
		return nil, &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: fmt.Sprintf("run as user %q: %v", cfg.User, err)}
	}
	return cfg, nil
}

// failed is the outcome of a command of this file: these are not stock's, so that a failure has its exit status.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: "Error: " + err.Error()}
}

func newRotateAESCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "saltern key rotate-aes", Short: "have the master take a new AES key now", Args: cobra.NoArgs,
		Long: "Leaves the rotation flag in cachedir. A running saltern master takes it at once, a stock one within\n" +
			"loop_interval. Every minion signs in again with its next publication.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := keyToolConfig(dir)
			if err != nil {
				return err
			}
			if err := keyrotate.RequestAESRotation(cfg.CacheDir, cfg.ID); err != nil {
				return failed(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The master takes a new AES key when it next looks.")
			return nil
		},
	}
	cmd.Flags().StringVarP(&dir, "config-dir", "c", "", "configuration directory")
	return cmd
}

// rotationDir is pki_dir as package keyrotate wants it.
func rotationDir(cfg *config.Master) keyrotate.Dir {
	return keyrotate.Dir{
		Path: cfg.PKIDir, ID: strings.TrimSuffix(cfg.ID, "_master"), KeyPass: []byte(cfg.KeyPass), KeySize: cfg.KeySize,
		SignPubKey: cfg.MasterSignPubKey, SignKeyName: cfg.MasterSignKeyName, SignKeyPass: []byte(cfg.SigningKeyPass),
		Prepared: cfg.MasterUsePubKeySignature, SignatureFile: cfg.MasterPubKeySignature,
	}
}

// hangUp sends SIGHUP to the master of the pid file.
func hangUp(cfg *config.Master) error {
	text, err := os.ReadFile(cfg.PIDFile)
	if err != nil {
		return fmt.Errorf("find the running master: %w", err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil || pid < 2 {
		return errors.Join(fmt.Errorf("%s holds no process id", cfg.PIDFile), err)
	}
	return sendHangup(pid)
}

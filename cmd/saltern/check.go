package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/check"
	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
)

// newCheckCommand returns "saltern check": what is wrong with this host before a daemon finds out.
func newCheckCommand() *cobra.Command {
	var configDir, out string
	var strict, quick, quiet, signIn bool
	var timeout float64
	roles := []string{check.RoleMaster, check.RoleSyndic, check.RoleBroker, check.RoleRelay}
	cmd := &cobra.Command{
		Use:   "check [options] [master|syndic|broker|relay ...]",
		Short: "check configuration, permissions, limits, ports, keys and links of this host",
		Long: "Says everything at once that is wrong, or will be: options nobody knows, with the nearest known one, wrong\n" +
			"types, each with file and line; modes and owners; limits, disk, ports, clock, keys; the masters of masters.\n" +
			"Every finding has a level (ok, note, warning, fault) and what to run. Nothing is changed, no secret is printed.\n" +
			"Without a name the master is checked, the syndic where syndic_master is set, broker and relay where they have a file.\n" +
			"Exit status: 0 no faults, 1 faults, 2 warnings with --strict.",
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			for _, a := range args {
				if !slices.Contains(roles, a) {
					return cliargs.Usagef("%s is not something to check: %s", a, strings.Join(roles, ", "))
				}
			}
			return nil
		},
		ValidArgs: roles,
	}
	fs := cmd.Flags()
	fs.StringVarP(&configDir, "config-dir", "c", "", "directory of the configuration (default /etc/salt)")
	fs.StringVar(&out, "out", "text", "text or json")
	cliargs.Alias(fs, "out", "output")
	fs.BoolVar(&strict, "strict", false, "exit with 2 when there are warnings")
	fs.BoolVar(&quick, "quick", false, "only what stops a start on this host: no network, no walk over all keys; for ExecStartPre")
	fs.BoolVarP(&quiet, "quiet", "q", false, "print warnings and faults only")
	fs.BoolVar(&signIn, "sign-in", false, "ask each master of masters whether it accepts the syndic's key; an unknown key becomes pending there")
	fs.Float64Var(&timeout, "timeout", 5, "seconds to wait for each connection")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains([]string{"text", "json"}, out) {
			return cliargs.Usagef("option --out: text or json")
		}
		if !(timeout > 0 && timeout <= 3600) {
			return cliargs.Usagef("option --timeout: more than 0, at most 3600 seconds")
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		report := check.Run(ctx, check.Options{
			Load: config.LoadOptions{ConfigDir: configDir}, Roles: args, Quick: quick, SignIn: signIn,
			Timeout: time.Duration(timeout * float64(time.Second)),
		})
		write := func() error { return report.WriteText(cmd.OutOrStdout(), quiet || quick) }
		if out == "json" {
			write = func() error { return report.WriteJSON(cmd.OutOrStdout()) }
		}
		if err := write(); err != nil {
			return err
		}
		return cliargs.Exit(report.Status(strict))
	}
	return cmd
}

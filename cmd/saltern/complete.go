package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/version"
	"github.com/saltern-io/saltern/pki"
)

// commandNamed is a program as a cobra command of that name, with completion of minion ids.
func commandNamed(p program, name string) *cobra.Command {
	cmd := p.make()
	_, rest, _ := strings.Cut(strings.TrimPrefix(cmd.Use, "saltern key "), " ")
	cmd.Use = name + " " + rest
	if p.stock == "salt-key" || p.stock == "salt" {
		completeIDs(cmd)
	}
	return cmd
}

// commandTree is every command below "saltern", for completion only: run dispatches by itself.
func commandTree() *cobra.Command {
	root := &cobra.Command{Use: "saltern", Short: "the master and syndic tier of Salt"}
	root.CompletionOptions.DisableDefaultCmd = true
	for _, p := range programs {
		cmd := commandNamed(p, p.word)
		if p.word == "key" {
			for _, tool := range keyTools {
				cmd.AddCommand(commandNamed(tool, tool.word))
			}
		}
		root.AddCommand(cmd)
	}
	for _, p := range ownTools() {
		root.AddCommand(commandNamed(p, p.word))
	}
	return root
}

// named is the command a program name stands for, all of them for "saltern".
func named(name string) *cobra.Command {
	for _, p := range programs {
		if p.stock != "" && p.stock == name {
			cmd := commandNamed(p, name)
			cmd.CompletionOptions.DisableDefaultCmd = true
			return cmd
		}
	}
	return commandTree()
}

// completing answers the question of a completion script. ok is false when args are no such question.
func completing(name string, args []string, stdout io.Writer) (code int, ok bool) {
	if len(args) == 0 || args[0] != cobra.ShellCompRequestCmd && args[0] != cobra.ShellCompNoDescRequestCmd {
		return 0, false
	}
	cmd := named(name)
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(io.Discard) // a half-typed line is no error
	if err := cmd.Execute(); err != nil {
		return cliargs.ExitGeneric, true
	}
	return cliargs.ExitOK, true
}

// ownTools are commands about the commands themselves. They are not in programs, which they list.
func ownTools() []program {
	return []program{
		{"completion", "", "print a completion script for a shell", newCompletionCommand},
		{"manual", "", "write the manual pages into a directory", newManualCommand},
	}
}

func newCompletionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	var name string
	cmd := &cobra.Command{
		Use: "completion [options] bash|zsh|fish", Short: "print a completion script for a shell", DisableFlagsInUseLine: true,
		Long: "Prints the script that completes options, words and minion ids:\n\n" +
			"  source <(saltern completion bash)\n  source <(saltern completion --name salt-key bash)",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return cliargs.Usagef("name a shell: %s", strings.Join(shells, ", "))
			}
			return nil
		},
		ValidArgs: shells,
	}
	cmd.Flags().StringVar(&name, "name", "saltern", "the program to complete: saltern, salt-master, salt-syndic, salt-broker, salt-key or salt")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if name != "saltern" && !slices.ContainsFunc(programs, func(p program) bool { return p.stock != "" && p.stock == name }) {
			return cliargs.Usagef("option --name: no program %s", name)
		}
		target, w := named(name), cmd.OutOrStdout()
		switch args[0] {
		case "zsh":
			return target.GenZshCompletion(w)
		case "fish":
			return target.GenFishCompletion(w, true)
		}
		return target.GenBashCompletionV2(w, true)
	}
	return cmd
}

// idFlags are the options that take minion ids, with the states whose ids make sense.
var idFlags = map[string][]pki.State{
	"accept": {pki.Pending, pki.Rejected}, "reject": {pki.Pending, pki.Accepted},
	"delete": {pki.Accepted, pki.Pending, pki.Rejected, pki.Denied}, "print": {pki.Accepted, pki.Pending, pki.Rejected},
	"finger": {pki.Accepted, pki.Pending, pki.Rejected},
}

// completeIDs completes minion ids from the key store of the configuration in use.
func completeIDs(cmd *cobra.Command) {
	dir := func(cmd *cobra.Command) string {
		if f := cmd.Flags().Lookup("config-dir"); f != nil {
			return f.Value.String()
		}
		return ""
	}
	if cmd.Flags().Lookup("accept") == nil { // salt: the target comes first
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return storedIDs(dir(cmd), prefix, pki.Accepted), cobra.ShellCompDirectiveNoFileComp
		}
		return
	}
	for name, states := range idFlags {
		if cmd.Flags().Lookup(name) == nil {
			continue
		}
		err := cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
			return storedIDs(dir(cmd), prefix, states...), cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic(fmt.Sprintf("completion of --%s: %v", name, err)) // registered twice: ours alone to break
		}
	}
}

// storedIDs lists ids without making anything; what cannot be read completes to nothing.
func storedIDs(configDir, prefix string, states ...pki.State) []string {
	const most = 2000 // a shell is no help with more
	cfg, _, err := config.LoadClient(config.LoadOptions{ConfigDir: configDir})
	if err != nil {
		return nil
	}
	var ids []string
	for _, s := range states {
		entries, err := os.ReadDir(filepath.Join(cfg.PKIDir, s.Dir()))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if name := e.Name(); strings.HasPrefix(name, prefix) && pki.CheckID(name) == nil && !strings.HasPrefix(name, ".") && len(ids) < most {
				ids = append(ids, name)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// source is what manual pages say they belong to.
func source() string { return "saltern " + version.Version }

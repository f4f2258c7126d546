package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/manual"
)

func newManualCommand() *cobra.Command {
	return &cobra.Command{
		Use: "manual DIRECTORY", Short: "write the manual pages into a directory", DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cliargs.Usagef("name a directory")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return writeManual(args[0]) },
	}
}

// writeManual writes every page as DIR/man1/NAME.1 and DIR/man5/NAME.5.
func writeManual(dir string) error {
	pages := map[string]func(io.Writer) error{
		"man5/saltern-options.5": func(w io.Writer) error { return manual.WriteOptions(w, source()) },
	}
	for _, p := range manualPages() {
		pages["man1/"+strings.ReplaceAll(p.Name, " ", "-")+".1"] = func(w io.Writer) error { return manual.WriteCommand(w, p) }
	}
	for name, write := range pages {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write the manual: %w", err)
		}
		f, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("write the manual: %w", err)
		}
		if err := write(f); err != nil {
			f.Close()
			return fmt.Errorf("write the manual: %s: %w", path, err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("write the manual: %w", err)
		}
	}
	return nil
}

// daemonExit and the lists below are the facts of docs/reference/commands.md that belong on a page.
var (
	daemonExit = []manual.Entry{
		{Name: "0", About: "stopped by a signal"},
		{Name: "1", About: "configuration or start failed; the text says why, all faults at once"},
		{Name: "4", About: "ports taken, or another instance runs on the same cachedir"},
		{Name: "64", About: "usage"},
		{Name: "67", About: "the user of option user does not exist"},
		{Name: "69", About: "logging cannot be set up"},
		{Name: "73, 77", About: "a directory or file cannot be made; permission denied"},
	}
	daemonSignals = []manual.Entry{
		{Name: "SIGTERM, SIGINT", About: "finish what is in flight and end"},
		{Name: "SIGHUP", About: "reopen the log and reload what can change while it runs"},
		{Name: "SIGUSR1", About: "write all goroutines to a file in the temporary directory"},
	}
	masterFiles = []manual.Entry{
		{Name: "/etc/salt/master, /etc/salt/master.d/*.conf", About: "the configuration, see saltern-options(5)"},
		{Name: "/etc/salt/pki/master", About: "the keys, in stock Salt's own layout"},
		{Name: "/var/cache/salt/master", About: "jobs, minion data, session keys; saltern's own below saltern/"},
		{Name: "/var/run/salt/master", About: "the event bus and the status sockets"},
	}
)

// manualPages are the pages of section 1.
func manualPages() []manual.Page {
	others := []string{"saltern(1)", "salt-master(1)", "salt-syndic(1)", "salt-key(1)", "salt(1)", "saltern-options(5)"}
	all := manual.Page{
		Name: "saltern", Source: source(), SeeAlso: others[1:], Synopsis: []string{"saltern COMMAND [options]"},
		Command: &cobra.Command{
			Short: "the master and syndic tier of Salt",
			Long:  "One binary with every command. Called as salt-master, salt-syndic, salt-broker, salt-key or salt it is that command; called as saltern the first word says which.",
		},
	}
	var pages []manual.Page
	for _, p := range programs {
		name := p.stock
		if name == "" {
			name = "saltern " + p.word
		}
		all.Commands = append(all.Commands, manual.Entry{Name: p.word, About: p.about + "; see " + strings.ReplaceAll(name, " ", "-") + "(1)"})
		if p.word == "version" || p.word == "demo" {
			continue
		}
		page := manual.Page{Name: name, Command: p.make(), Source: source(), SeeAlso: others}
		switch p.word {
		case "master", "syndic", "broker":
			page.Exit, page.Signals, page.Files = daemonExit, daemonSignals, masterFiles
		case "key":
			page.Files = masterFiles[:2]
		case "salt":
			page.Files = []manual.Entry{masterFiles[0], {Name: "~/.config/salt/salt_token, ~/salt_token", About: "the token of -T, used for token_expire; another place with token_file"}}
		}
		pages = append(pages, page)
	}
	for _, p := range keyTools {
		name := "saltern key " + p.word
		all.Commands = append(all.Commands, manual.Entry{Name: "key " + p.word, About: p.about + "; see " + strings.ReplaceAll(name, " ", "-") + "(1)"})
		pages = append(pages, manual.Page{Name: name, Command: p.make(), Source: source(), SeeAlso: others})
	}
	for _, p := range ownTools() {
		all.Commands = append(all.Commands, manual.Entry{Name: p.word, About: p.about})
	}
	return append(pages, all)
}

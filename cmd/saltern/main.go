// Command saltern is the master and syndic tier of Salt in one binary.
//
// Called as salt-master, salt-syndic, salt-broker, salt-key or salt it is that command, with its stock flags and
// exit codes; called as saltern it takes the command as its first word.
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
	"github.com/saltern-io/saltern/internal/version"
)

// program is one command of the binary.
type program struct {
	word  string // saltern <word>
	stock string // the name of the stock command it replaces, "" for saltern's own
	about string
	make  func() *cobra.Command
}

// programs is the one list of what this binary can be.
var programs = []program{
	{"master", "salt-master", "run a master", newMasterCommand},
	{"syndic", "salt-syndic", "run a syndic beside a local master", newSyndicCommand},
	{"relay", "", "carry publications over a bad line, through Redis", newRelayCommand},
	{"broker", "salt-broker", "forward between minions and a master elsewhere", newBrokerCommand},
	{"key", "salt-key", "accept, reject and show minion keys", newKeyCommand},
	{"salt", "salt", "publish a job and show what comes back", newSaltCommand},
	{"status", "", "show queues, links and counters of the running daemons", newStatusCommand},
	{"check", "", "check configuration, permissions, limits, ports, keys and links of this host", newCheckCommand},
	{"swarm", "", "run simulated minions", newSwarmCommand},
	{"demo", "", "run a whole tier on this machine and show it working", newDemoCommand},
	{"version", "", "print the version", newVersionCommand},
}

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

// run picks the program by the name it was called with, else by the first word.
func run(args []string, stdout, stderr io.Writer) int {
	name := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	if code, ok := completing(name, args[1:], stdout); ok {
		return code
	}
	if i := slices.IndexFunc(programs, func(p program) bool { return p.stock != "" && p.stock == name }); i >= 0 {
		return cliargs.Execute(programs[i].make(), args[1:])
	}
	if len(args) < 2 || slices.Contains([]string{"-h", "--help", "help"}, args[1]) {
		usage(stdout)
		return cliargs.ExitOK
	}
	word := args[1]
	if word == "key" {
		if p, ok := keyToolNamed(args[2:]); ok {
			return cliargs.Execute(p.make(), args[3:])
		}
	}
	if word == "--version" {
		word = "version"
	}
	for _, p := range append(ownTools(), programs...) {
		if p.word == word || p.stock == word {
			return cliargs.Execute(p.make(), args[2:])
		}
	}
	fmt.Fprintf(stderr, "saltern: no command %q\n\n", word)
	usage(stderr)
	return cliargs.ExitUsage
}

func usage(w io.Writer) {
	fmt.Fprintf(w, "saltern %s: the master and syndic tier of Salt\n\nUsage: saltern COMMAND [options]\n\n", version.Version)
	for _, p := range programs {
		about := p.about
		if p.stock != "" && p.stock != p.word {
			about += " (also as " + p.stock + ")"
		}
		fmt.Fprintf(w, "  %-9s %s\n", p.word, about)
	}
	for _, p := range keyTools {
		fmt.Fprintf(w, "  key %-5s %s\n", p.word, p.about)
	}
	for _, p := range ownTools() {
		fmt.Fprintf(w, "  %-9s %s\n", p.word, p.about)
	}
	fmt.Fprintf(w, "\nsaltern COMMAND --help tells the options.\n")
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version.String())
			return err
		},
	}
}

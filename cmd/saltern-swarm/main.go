// Command saltern-swarm is "saltern swarm" alone: simulated minions in a program that needs no libzmq, to
// be copied to the machines that make the load.
package main

import (
	"os"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/swarm/swarmcmd"
)

func main() {
	cmd := swarmcmd.New()
	cmd.Use = "saltern-swarm"
	os.Exit(cliargs.Execute(cmd, os.Args[1:]))
}

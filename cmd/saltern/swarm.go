package main

import (
	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/swarm/swarmcmd"
)

// newSwarmCommand returns "saltern swarm": simulated minions for sizing and load tests.
func newSwarmCommand() *cobra.Command { return swarmcmd.New() }

package main

import (
	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/saltkey"
)

// newKeyCommand returns "saltern key", which is salt-key.
func newKeyCommand() *cobra.Command { return saltkey.NewCommand() }

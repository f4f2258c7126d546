package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/broker"
	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/status"
)

// brokerTarget is the broker of this host as its own file describes it.
func brokerTarget(configDir string) (statusTarget, error) {
	cfg, err := config.LoadBrokerPaths(config.LoadOptions{ConfigDir: configDir})
	if err != nil {
		return statusTarget{}, err
	}
	return statusTarget{
		word: "broker", program: "salt-broker", socket: filepath.Join(cfg.SockDir, status.BrokerSocket), wanted: len(cfg.Masters) > 0,
	}, nil
}

// showContacts prints the broker's list of minions.
func (o *statusOptions) showContacts(cmd *cobra.Command) error {
	target, err := brokerTarget(o.configDir)
	if err != nil {
		return &cliargs.ExitError{Code: exitNoStatus, Text: err.Error()}
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	var contacts []broker.Contact
	if err := status.NewClient(target.socket).Page(ctx, broker.ContactsPage, &contacts); err != nil {
		return &cliargs.ExitError{Code: exitNoStatus, Text: err.Error()}
	}
	w := cmd.OutOrStdout()
	if o.json {
		return json.NewEncoder(w).Encode(contacts)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	now := time.Now()
	fmt.Fprintln(tw, "minion\tlast contact\tago\trequests")
	for _, c := range contacts {
		fmt.Fprintf(tw, "%q\t%s\t%s\t%d\n", c.ID, c.Last.UTC().Format("2006-01-02 15:04:05"), now.Sub(c.Last).Truncate(time.Second), c.Requests)
	}
	return tw.Flush()
}

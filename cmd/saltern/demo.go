package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/demo"
	"github.com/saltern-io/saltern/jobcache"
)

func newDemoCommand() *cobra.Command {
	var keep, restarts, broker bool
	shape, rounds := demo.Shape{Tops: 2, Hosts: 2, PerHost: 50}, 0
	cmd := &cobra.Command{
		Use: "demo [options]", Short: "run a whole tier on this machine and show it working",
		Long: "Starts two masters of masters, two mid-tier hosts (a master and a syndic each, the syndic under both\n" +
			"masters of masters) and simulated minions under each, all on loopback in a temporary directory; asks\n" +
			"everything from both tops, shows the answers, stops and removes it all.\n\n" +
			"With --measure the same question is asked again and again, and each answer's time, the CPU time of the first\n" +
			"top and the messages it took are printed. With --restarts daemons are restarted and killed, and it is\n" +
			"printed how long it takes until everything answers again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			switch {
			case shape.PerHost < 1 || shape.PerHost > maxDemoMinions:
				return cliargs.Usagef("option --minions: %d is not between 1 and %d", shape.PerHost, maxDemoMinions)
			case shape.Tops < 1 || shape.Tops > demo.MaxTops:
				return cliargs.Usagef("option --tops: %d is not between 1 and %d", shape.Tops, demo.MaxTops)
			case shape.Hosts < 1 || shape.Hosts > demo.MaxHosts:
				return cliargs.Usagef("option --syndics: %d is not between 1 and %d", shape.Hosts, demo.MaxHosts)
			case rounds < 0:
				return cliargs.Usagef("option --measure: %d is negative", rounds)
			}
			if broker {
				if err := brokerDemo(ctx, cmd.OutOrStdout(), shape.PerHost, keep); err != nil {
					return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: "demo failed: " + err.Error()}
				}
				return nil
			}
			show := showAnswers
			switch {
			case restarts:
				show = showRestarts
				shape.SwarmArgs = []string{"--recon-default", "200ms", "--recon-max", "800ms"}
			case rounds > 0:
				show = func(ctx context.Context, out io.Writer, tier *demo.Tier) error {
					return measure(ctx, out, tier, rounds)
				}
			}
			if err := runDemo(ctx, cmd.OutOrStdout(), shape, keep, show); err != nil {
				return &cliargs.ExitError{Code: cliargs.ExitGeneric, Text: "demo failed: " + err.Error()}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&shape.Tops, "tops", shape.Tops, "masters of masters")
	cmd.Flags().IntVar(&shape.Hosts, "syndics", shape.Hosts, "mid-tier hosts, each a master with a syndic")
	cmd.Flags().IntVar(&shape.PerHost, "minions", shape.PerHost, "simulated minions under each mid-tier host")
	cmd.Flags().IntVar(&rounds, "measure", 0, "ask everything so often and print what each time cost")
	cmd.Flags().BoolVar(&restarts, "restarts", false, "restart and kill daemons and print how long each takes to heal")
	cmd.Flags().BoolVar(&broker, "broker", false, "show minions behind a broker with two masters instead, one of which is killed")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the directory with configurations, logs and keys")
	return cmd
}

// maxDemoMinions is per host: two descriptors each in one process.
const maxDemoMinions = 8000

// demoDeadline bounds the whole show; large tiers get longer, for the sign-ins.
const demoDeadline = 2 * time.Minute

func runDemo(ctx context.Context, out io.Writer, shape demo.Shape, keep bool, show func(context.Context, io.Writer, *demo.Tier) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, demoDeadline+time.Duration(shape.PerHost*shape.Hosts)*20*time.Millisecond)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	tier, err := demo.NewTier(self, shape)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, tier.Stop())
		if keep || err != nil {
			fmt.Fprintf(out, "\nKept: %s\n", tier.Dir)
			return
		}
		err = os.RemoveAll(tier.Dir)
	}()
	if err := tier.Start(ctx, out); err != nil {
		return err
	}
	return show(ctx, out, tier)
}

// showAnswers asks everything from every top, stops the tier and shows what is stored.
func showAnswers(ctx context.Context, out io.Writer, tier *demo.Tier) error {
	jobs := map[string]string{}
	for _, mom := range tier.Tops() {
		jid, err := askAll(ctx, out, tier, mom)
		if err != nil {
			return err
		}
		jobs[mom.Name] = jid
		if err := askSome(ctx, out, tier, mom); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "\nStopping everything …")
	if err := tier.Stop(); err != nil {
		return err
	}
	for _, mom := range tier.Tops() {
		if err := showStored(out, tier, mom, jobs[mom.Name]); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\nDone: %d of %d answers at each of %d masters of masters.\n", tier.Minions(), tier.Minions(), len(tier.Tops()))
	return nil
}

// askAll runs salt '*' test.ping at one top and checks that every minion answered once.
func askAll(ctx context.Context, out io.Writer, tier *demo.Tier, mom *demo.Master) (jid string, err error) {
	fmt.Fprintf(out, "\n$ salt -c %s '*' test.ping\n", mom.Name)
	start := time.Now()
	text, err := tier.Run(ctx, "salt", "-c", mom.Config, "--no-color", "--out", "txt", "-v", "*", "test.ping")
	if err != nil {
		return "", err
	}
	took := time.Since(start)
	answers, jid := readAnswers(text)
	fmt.Fprintf(out, "%s\n  … %d of %d minions answered True in %.1f s (job %s)\n",
		strings.Join(indent(answers[:min(4, len(answers))]), "\n"), len(answers), tier.Minions(), took.Seconds(), jid)
	if missing := missingFrom(tier.IDs(), answers); len(missing) > 0 || len(answers) != tier.Minions() {
		return "", fmt.Errorf("%s: %d of %d answers; missing %q", mom.Name, len(answers), tier.Minions(), missing)
	}
	return jid, nil
}

// askSome runs salt -L over one minion of each host.
func askSome(ctx context.Context, out io.Writer, tier *demo.Tier, mom *demo.Master) error {
	ids := tier.IDs()
	some := []string{ids[0], ids[len(ids)-1]}
	fmt.Fprintf(out, "\n$ salt -c %s -L %s cmd.run 'uname -n'\n", mom.Name, strings.Join(some, ","))
	text, err := tier.Run(ctx, "salt", "-c", mom.Config, "--no-color", "--out", "txt", "-L", strings.Join(some, ","), "cmd.run", "uname -n")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	fmt.Fprintln(out, strings.Join(indent(lines), "\n"))
	for _, id := range some {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, id+":") }) {
			return fmt.Errorf("%s: no answer of %s", mom.Name, id)
		}
	}
	return nil
}

// showStored opens the job cache that a stopped master left, and counts the job's returns.
func showStored(out io.Writer, tier *demo.Tier, mom *demo.Master, jid string) error {
	store, err := jobcache.Open(mom.JobCache, jobcache.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	job, ok, err := store.Job(jid)
	if err != nil || !ok {
		return errors.Join(err, fmt.Errorf("%s: job %s is not stored", mom.Name, jid))
	}
	returns := 0
	if err := store.Returns(jid, func(jobcache.Return) error { returns++; return nil }); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nJob %s as stored at %s:\n  %s\n  %d minions expected, %d returns\n",
		jid, mom.Name, demo.Describe(job.Load), len(job.AllMinions()), returns)
	if returns != tier.Minions() {
		return fmt.Errorf("%s: %d returns stored, want %d", mom.Name, returns, tier.Minions())
	}
	return nil
}

// readAnswers takes the lines `id: True` and the job id from the output of salt -v --out txt.
func readAnswers(text string) (ids []string, jid string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "Executing job with jid "); ok {
			jid = rest
		}
		if id, ok := strings.CutSuffix(line, ": True"); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, jid
}

func missingFrom(want, have []string) []string {
	var missing []string
	for _, id := range want {
		if !slices.Contains(have, id) {
			missing = append(missing, id)
		}
	}
	return missing
}

func indent(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "  " + l
	}
	return out
}

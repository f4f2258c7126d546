package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/demo"
)

// brokerDemo shows a branch office behind a broker, first without and then with zmq_filtering.
func brokerDemo(ctx context.Context, out io.Writer, minions int, keep bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*demoDeadline+time.Duration(minions)*40*time.Millisecond)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, filtering := range []bool{false, true} {
		fmt.Fprintf(out, "== Branch office, zmq_filtering: %v\n", filtering)
		if err := branchOffice(ctx, out, self, minions, filtering, keep); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "Done: %d minions behind a broker, two masters, one killed each time.\n", minions)
	return nil
}

func branchOffice(ctx context.Context, out io.Writer, self string, minions int, filtering, keep bool) (err error) {
	b, err := demo.NewBranch(self, minions, filtering)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, b.Tier.Stop())
		if keep || err != nil {
			fmt.Fprintf(out, "\nKept: %s\n", b.Tier.Dir)
			return
		}
		err = os.RemoveAll(b.Tier.Dir)
	}()
	if err := b.Start(ctx, out); err != nil {
		return err
	}
	first, second := b.Tier.Tops()[0], b.Tier.Tops()[1]
	if err := askBranch(ctx, out, b, first, "*", b.IDs()); err != nil {
		return err
	}
	if err := askOneOf(ctx, out, b, first, filtering); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nKilling %s, which is in use\n", first.Name)
	began := time.Now()
	if err := b.Kill(ctx, first); err != nil {
		return err
	}
	for use := ""; use != second.Address(); {
		if use, err = b.InUse(ctx); err != nil {
			return err
		}
		if time.Since(began) > mustServeWithin {
			return fmt.Errorf("%v after the master was killed the broker uses %s", mustServeWithin, use)
		}
	}
	fmt.Fprintf(out, "%s is in use after %.1f s\n", second.Name, time.Since(began).Seconds())
	if err := askBranch(ctx, out, b, second, "*", b.IDs()); err != nil {
		return err
	}
	fmt.Fprintf(out, "  %.1f s after the kill\n\n$ saltern status broker\n", time.Since(began).Seconds())
	text, err := b.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, strings.Join(indent(strings.Split(strings.TrimSpace(text), "\n")), "\n"))
	return nil
}

// mustServeWithin is how soon the next master has to be in use.
const mustServeWithin = 5 * time.Second

// askBranch runs salt target test.ping at a master and checks that exactly the ids answer.
func askBranch(ctx context.Context, out io.Writer, b *demo.Branch, m *demo.Master, target string, ids []string) error {
	fmt.Fprintf(out, "\n$ salt -c %s '%s' test.ping\n", m.Name, target)
	start := time.Now()
	text, err := b.Tier.Run(ctx, "salt", "-c", m.Config, "--no-color", "--out", "txt", "-v", target, "test.ping")
	if err != nil {
		return err
	}
	answers, jid := readAnswers(text)
	fmt.Fprintf(out, "%s\n  … %d of %d minions answered True in %.1f s (job %s)\n",
		strings.Join(indent(answers[:min(2, len(answers))]), "\n"), len(answers), len(ids), time.Since(start).Seconds(), jid)
	if missing := missingFrom(ids, answers); len(missing) > 0 || len(answers) != len(ids) {
		return fmt.Errorf("%s: %d of %d answers; missing %q", m.Name, len(answers), len(ids), missing)
	}
	return nil
}

// askOneOf asks one minion, and counts who got the publication: with zmq_filtering nobody else.
func askOneOf(ctx context.Context, out io.Writer, b *demo.Branch, m *demo.Master, filtering bool) error {
	before, err := sentNow(ctx, b)
	if err != nil {
		return err
	}
	id := b.IDs()[len(b.IDs())-1]
	if err := askBranch(ctx, out, b, m, id, []string{id}); err != nil {
		return err
	}
	after, err := sentNow(ctx, b)
	if err != nil {
		return err
	}
	want := int64(len(b.IDs()))
	if filtering {
		want = 1
	}
	fmt.Fprintf(out, "  the broker sent that publication to %d of %d subscribers\n", after-before, len(b.IDs()))
	if after-before != want {
		return fmt.Errorf("a publication for one minion went to %d subscribers, want %d", after-before, want)
	}
	return nil
}

// reportAge is for how long the daemons show the same report again, with something to spare.
const reportAge = 250 * time.Millisecond

// sentNow is how many publications the broker has sent by now.
func sentNow(ctx context.Context, b *demo.Branch) (int64, error) {
	select {
	case <-time.After(reportAge):
		return b.Sent(ctx)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

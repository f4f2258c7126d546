package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/saltern-io/saltern/internal/stock"
)

// seen are the steps about the event stream of the master.
func (s *single) seen(software stock.Software) []Step {
	return []Step{
		{Name: "events of a job", Run: func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return err
			}
			return s.jobEvents(ctx, software)
		}},
		{Name: "salt-run state.event", Run: func(ctx context.Context, b *Bench) error {
			if err := s.join(ctx, b); err != nil {
				return err
			}
			return s.stateEvent(ctx, software)
		}},
	}
}

// jobEvents publishes one job and looks for its announcement and both returns on the bus.
func (s *single) jobEvents(ctx context.Context, software stock.Software) error {
	position := s.host.bus.Len()
	result, err := s.host.bench.run(ctx, software, stock.Command, s.host.configDir, "--async", "*", "test.ping")
	if err != nil {
		return err
	}
	jid := jidPattern.FindString(result.Stdout)
	if jid == "" {
		return fmt.Errorf("no job id in %q, %q", result.Stdout, result.Stderr)
	}
	announced, err := s.host.waitEvent(ctx, position, "salt/job/"+jid+"/new")
	if err != nil {
		return err
	}
	var faults []error
	for field, want := range map[string]string{"jid": jid, "fun": "test.ping", "tgt": "*", "tgt_type": "glob"} {
		if got := announced.Str(field); got != want {
			faults = append(faults, fmt.Errorf("%s: %s is %q, want %q", announced.Tag, field, got, want))
		}
	}
	for _, id := range []string{"m1", "m2"} {
		returned, err := s.host.waitEvent(ctx, position, "salt/job/"+jid+"/ret/"+id)
		if err != nil {
			return err
		}
		faults = append(faults, checkReturn(returned, jid, id))
	}
	return errors.Join(faults...)
}

func checkReturn(event stock.Event, jid, id string) error {
	got := fmt.Sprint(event.Str("jid"), " ", event.Str("id"), " ", event.Str("fun"), " ", event.Value("return"),
		" ", event.Value("retcode"), " ", event.Value("success"), " ", event.Has("_stamp"), " ", event.Has("tok"))
	want := fmt.Sprint(jid, " ", id, " test.ping true 0 true true false")
	if got != want {
		return fmt.Errorf("%s: jid, id, fun, return, retcode, success, stamped, tok are %s, want %s", event.Tag, got, want)
	}
	return nil
}

// stateEvent has the stock runner print one return from the bus while jobs are published.
func (s *single) stateEvent(ctx context.Context, software stock.Software) error {
	type outcome struct {
		result stock.Result
		err    error
	}
	watched := make(chan outcome, 1)
	watching, cancel := context.WithCancel(ctx)
	go func() {
		result, err := s.host.bench.run(watching, s.column.Salt, stock.Runner, s.host.configDir,
			"state.event", "salt/job/*/ret/m1", "count=1")
		watched <- outcome{result, err}
	}()
	var got outcome
	pollErr := stock.Poll(ctx, "salt-run to print a return", settleTimeout, func() error {
		select {
		case got = <-watched:
			watched <- got
			return nil
		default:
		}
		// The runner says nowhere that it listens, so jobs are published until it has heard one.
		if _, err := s.host.bench.run(ctx, software, stock.Command, s.host.configDir, "m1", "test.ping"); err != nil {
			return err
		}
		return errors.New("nothing printed yet")
	})
	cancel()
	got = <-watched
	switch {
	case pollErr != nil:
		return pollErr
	case got.err != nil:
		return got.err
	case !strings.Contains(got.result.Stdout, "/ret/m1") || !strings.Contains(got.result.Stdout, "test.ping"):
		return fmt.Errorf("salt-run state.event printed %q, %q", got.result.Stdout, got.result.Stderr)
	}
	return nil
}

package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// brokered is two masters with one key pair, saltern's broker before them, and two stock minions behind it.
//
//	m1, m2 ─▶ 127.0.4.1  broker ─▶ 127.0.4.2  first master
//	                            └─▶ 127.0.4.3  second master, stands by      same two ports everywhere
type brokered struct {
	column    *Column
	soft      stock.Software // of both masters
	filtering bool           // zmq_filtering on masters and minions

	hosts     [2]*host
	configDir string
	broker    *stock.Process
	minions   [2]*minion
	up        once
}

const (
	brokerAddress = "127.0.4.1"
	serveAgain    = 5 * time.Second // how soon the next master has to be in use
)

func brokerGroups(c *Column) []Group {
	var groups []Group
	for _, soft := range []stock.Software{c.Salt, orNil(c.Saltern)} {
		for _, filtering := range []bool{false, true} {
			s := &brokered{column: c, soft: soft, filtering: filtering}
			// The name has saltern in it: without it there is no broker.
			g := Group{Name: "saltern-broker before " + soft.Label(), Steps: s.steps()}
			if filtering {
				g.Name += ", filtering"
			}
			if c.Saltern == nil {
				g.Skip = noSaltern
			}
			groups = append(groups, g)
		}
	}
	return groups
}

// brokerQuestions have to be answered as without a broker.
var brokerQuestions = []string{"test.ping", "test.ping one", "list target", "list with a stranger", "cmd.run", "text", "out json", "out nested"}

func (s *brokered) steps() []Step {
	steps := []Step{{Name: "joined", Run: s.start}}
	for _, name := range brokerQuestions {
		q := questions[slices.IndexFunc(questions, func(q question) bool { return q.name == name })]
		steps = append(steps, Step{
			Name: "stock-salt/" + name, Wants: []string{"stock-master/stock-salt/" + name},
			Run: func(ctx context.Context, b *Bench) error {
				if err := s.start(ctx, b); err != nil {
					return fmt.Errorf("minions not there: %w", err)
				}
				said, err := s.hosts[0].ask(ctx, s.column.Salt, q)
				if err != nil {
					return err
				}
				return s.column.settle(q.name, false, said)
			},
		})
	}
	file := Step{Name: "file of the master", Run: s.file}
	if s.soft.Label() == "saltern" {
		file.Skip = "saltern's master serves no files yet"
	}
	return append(steps, file,
		Step{Name: "publications go where they are wanted", Run: s.counted},
		Step{Name: "broker restarted", Run: s.restarted},
		Step{Name: "master killed", Run: s.killed},
	)
}

const brokerFile = "from the master's file_roots"

// start brings everything up: both minions signed in through the broker, the second master standing by.
func (s *brokered) start(ctx context.Context, b *Bench) error {
	return s.up.do(func() error {
		if err := s.write(b); err != nil {
			return err
		}
		if err := s.hosts[0].startMaster(ctx); err != nil {
			return err
		}
		if err := s.startBroker(b); err != nil {
			return err
		}
		if err := join(ctx, s.column.Salt, s.minions[:]...); err != nil {
			return err
		}
		if err := copyKeys(s.hosts[0], s.hosts[1]); err != nil {
			return err
		}
		if err := s.hosts[1].startMaster(ctx); err != nil {
			return err
		}
		return s.serving(ctx, b, s.hosts[0].address, settleTimeout)
	})
}

func (s *brokered) write(b *Bench) error {
	publish, err := stock.FreePort("")
	if err != nil {
		return err
	}
	request, err := stock.FreePort("")
	if err != nil {
		return err
	}
	files, err := b.subdir("files")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(files, "f.txt"), []byte(brokerFile), 0o644); err != nil {
		return err
	}
	filtering := fmt.Sprintf("zmq_filtering: %v", s.filtering)
	extra := append(s.column.oldMinions(), filtering, "file_roots: {base: ["+files+"]}")
	for i, name := range []string{"a", "b"} {
		s.hosts[i], err = newHost(b, name, fmt.Sprintf("127.0.4.%d", i+2), hostOptions{
			master: s.soft, publish: publish, request: request, extra: extra,
		})
		if err != nil {
			return err
		}
	}
	for i := range s.minions {
		id := fmt.Sprintf("m%d", i+1)
		dir, err := b.subdir(id)
		if err != nil {
			return err
		}
		s.minions[i] = &minion{id: id, above: s.hosts[0], salt: s.column.Salt, configDir: filepath.Join(dir, "c")}
		err = stock.MinionConfig{
			Root: filepath.Join(dir, "r"), ID: id, Master: brokerAddress, RequestPort: request, Extra: []string{filtering},
		}.Write(s.minions[i].configDir)
		if err != nil {
			return err
		}
	}
	return s.writeBroker(b, publish, request)
}

func (s *brokered) writeBroker(b *Bench, publish, request int) error {
	dir, err := b.subdir("broker")
	if err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	s.configDir = dir
	return os.WriteFile(filepath.Join(dir, "broker"), []byte(strings.Join([]string{
		"root_dir: " + filepath.Join(dir, "r"), "user: " + me.Username, "interface: " + brokerAddress, "log_level: info",
		fmt.Sprintf("publish_port: %d", publish), fmt.Sprintf("ret_port: %d", request),
		fmt.Sprintf("master: [%s, %s]", s.hosts[0].address, s.hosts[1].address),
	}, "\n")+"\n"), 0o600)
}

func (s *brokered) startBroker(b *Bench) error {
	var err error
	s.broker, err = b.start("broker", s.column.Saltern, stock.Broker, s.configDir)
	return err
}

// brokerStatus is the part of the broker's report that is looked at.
type brokerStatus struct {
	Broker struct {
		Report *struct {
			Sections []struct {
				Title string
				Rows  []struct {
					Name, Text string
					Value      int64
				}
			}
		}
	} `json:"salt-broker"`
}

// row finds a row of the broker's status.
func (s *brokered) row(ctx context.Context, b *Bench, title, name string) (text string, value int64, err error) {
	result, err := b.run(ctx, s.column.Saltern, stock.Status, s.configDir, "--json", "broker")
	if err != nil {
		return "", 0, err
	}
	var got brokerStatus
	if err := json.Unmarshal([]byte(result.Stdout), &got); err != nil {
		return "", 0, fmt.Errorf("status of the broker: %w: %q, %q", err, result.Stdout, result.Stderr)
	}
	if got.Broker.Report != nil {
		for _, section := range got.Broker.Report.Sections {
			for _, row := range section.Rows {
				if section.Title == title && row.Name == name {
					return row.Text, row.Value, nil
				}
			}
		}
	}
	return "", 0, fmt.Errorf("the broker's status has no %s/%s", title, name)
}

// serving waits until the broker uses a master.
func (s *brokered) serving(ctx context.Context, b *Bench, address string, within time.Duration) error {
	return stock.Poll(ctx, "broker to use "+address, within, func() error {
		if err := running(s.broker); err != nil {
			return err
		}
		got, _, err := s.row(ctx, b, "Masters", "in use")
		if err == nil && got != address {
			err = fmt.Errorf("it uses %q", got)
		}
		return err
	})
}

// file has a minion fetch a file through the broker.
func (s *brokered) file(ctx context.Context, b *Bench) error {
	if err := s.start(ctx, b); err != nil {
		return err
	}
	said, err := s.hosts[0].ask(ctx, s.column.Salt, question{args: []string{"--out", "txt", "m1", "cp.get_file_str", "salt://f.txt"}})
	if err != nil {
		return err
	}
	if want := "m1: " + brokerFile + "\n"; said.Stdout != want {
		return fmt.Errorf("printed %q, want %q", said.Stdout, want)
	}
	return nil
}

// counted publishes to one minion by a list: with zmq_filtering one subscriber gets it, without both do.
func (s *brokered) counted(ctx context.Context, b *Bench) error {
	if err := s.start(ctx, b); err != nil {
		return err
	}
	_, before, err := s.row(ctx, b, "Publications", "sent")
	if err != nil {
		return err
	}
	if err := s.hosts[0].returned(ctx, s.column.Salt, "m1", eventTimeout, "m1"); err != nil {
		return err
	}
	_, after, err := s.row(ctx, b, "Publications", "sent")
	if err != nil {
		return err
	}
	want := int64(2)
	if s.filtering {
		want = 1
	}
	if got := after - before; got != want {
		return fmt.Errorf("a publication for m1 went to %d subscribers, want %d", got, want)
	}
	return nil
}

func (s *brokered) restarted(ctx context.Context, b *Bench) error {
	if err := s.start(ctx, b); err != nil {
		return err
	}
	if err := b.stop(s.broker); err != nil {
		return err
	}
	if err := s.startBroker(b); err != nil {
		return err
	}
	return s.hosts[0].complete(ctx, s.column.Salt, "m1", "m2")
}

// killed kills the master in use: within 5 s the broker uses the next one, which the minions then answer.
func (s *brokered) killed(ctx context.Context, b *Bench) error {
	if err := s.start(ctx, b); err != nil {
		return err
	}
	if err := s.hosts[0].complete(ctx, s.column.Salt, "m1", "m2"); err != nil {
		return err
	}
	began := time.Now()
	if err := s.hosts[0].master.Kill(); err != nil {
		return err
	}
	if err := s.serving(ctx, b, s.hosts[1].address, serveAgain); err != nil {
		return err
	}
	took := time.Since(began)
	if err := s.hosts[1].complete(ctx, s.column.Salt, "m1", "m2"); err != nil {
		return err
	}
	fmt.Fprintf(b.Trace, "    the next master was in use after %s, both minions returned its job after %s\n",
		took.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
	_, before, err := s.row(ctx, b, "Masters", "failovers")
	return errors.Join(err, s.hosts[1].pinged(ctx, s.column.Salt, "*", "m1", "m2"), oneFailover(before))
}

func oneFailover(n int64) error {
	if n != 1 {
		return fmt.Errorf("%d failovers, want 1", n)
	}
	return nil
}

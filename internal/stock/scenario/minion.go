package scenario

import (
	"context"
	"os"
	"path/filepath"
	"regexp"

	"github.com/saltern-io/saltern/internal/stock"
)

// minion is one stock minion below a host.
type minion struct {
	id        string
	above     *host
	salt      *stock.Salt
	configDir string
	process   *stock.Process
}

func newMinion(above *host, salt *stock.Salt, id string) (*minion, error) {
	dir, err := above.bench.subdir(id)
	if err != nil {
		return nil, err
	}
	m := &minion{id: id, above: above, salt: salt, configDir: filepath.Join(dir, "c")}
	return m, stock.MinionConfig{
		Root: filepath.Join(dir, "r"), ID: id, Master: above.address, RequestPort: above.request,
	}.Write(m.configDir)
}

func (m *minion) start() error {
	var err error
	m.process, err = m.above.bench.start(m.id, m.salt, stock.Minion, m.configDir)
	return err
}

// startedJob is how a minion logs that it runs a job.
var startedJob = regexp.MustCompile(`Starting a new job (\d+) with PID`)

// starts tells how often the minion has started each job.
func (m *minion) starts() (map[string]int, error) { return logged(m.process, startedJob) }

// logged counts what a daemon has logged, by the first group of a pattern.
func logged(p *stock.Process, pattern *regexp.Regexp) (map[string]int, error) {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int)
	for _, found := range pattern.FindAllSubmatch(text, -1) {
		counts[string(found[1])]++
	}
	return counts, nil
}

// join starts the minions, accepts their keys with the key command of by, and waits for their start events.
func join(ctx context.Context, by stock.Software, minions ...*minion) error {
	for _, m := range minions {
		if err := m.start(); err != nil {
			return err
		}
	}
	for _, m := range minions {
		if err := m.above.waitPending(ctx, m.process, m.id); err != nil {
			return err
		}
		if _, err := m.above.accept(ctx, by, m.id); err != nil {
			return err
		}
	}
	for _, m := range minions {
		if _, err := m.above.waitEvent(ctx, 0, "salt/minion/"+m.id+"/start"); err != nil {
			return err
		}
	}
	return nil
}

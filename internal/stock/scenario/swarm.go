package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/stock"
)

// startSwarm runs n simulated minions named prefix00000 and on below the host's master.
func (h *host) startSwarm(prefix string, n, level int, jitter time.Duration) error {
	saltern := h.bench.Column.Saltern
	path := filepath.Join(h.bench.Dir, h.name+"-swarm.yaml")
	lines := []string{
		fmt.Sprintf("master: ['%s:%d']", h.address, h.request),
		fmt.Sprintf("minions: %d", n),
		"id-template: '" + prefix + "%05d'",
		fmt.Sprintf("level: %d", level),
		"acceptance-wait-time: 1s",
		// A stock worker may read the key file that another one is writing, and refuse; and it answers a busy sign-in
		// too late when all come at once.
		"rejected-retry: true",
		"auth-parallel: 16",
		"recon-default: 200ms",
		"recon-max: 1s",
		fmt.Sprintf("return-jitter: %s", jitter),
		"progress: never",
		"ready-file: " + h.swarmReady(),
		"stats-file: " + filepath.Join(h.bench.Dir, h.name+"-swarm.json"),
		"",
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("write swarm config: %w", err)
	}
	var err error
	h.swarm, err = h.bench.start(h.name+"-swarm", saltern, stock.Swarm, path)
	return err
}

func (h *host) swarmReady() string { return filepath.Join(h.bench.Dir, h.name+"-swarm.ready") }

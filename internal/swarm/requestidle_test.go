package swarm

import (
	"fmt"
	"testing"
	"time"
)

// Idle request connections are closed, and made again for the next return.
func TestSwarm_requestIdle(t *testing.T) {
	master := startFakeMaster(t)
	const n = 5
	s := startReady(t, master, n, func(c *Config) { c.RequestIdle = 20 * time.Millisecond })
	for round := range 3 {
		closed := uint64(n * (round + 1))
		deadline := time.Now().Add(20 * time.Second)
		for s.Stats().Disconnects < closed {
			if time.Now().After(deadline) {
				t.Fatalf("%d connections closed, want %d", s.Stats().Disconnects, closed)
			}
			time.Sleep(time.Millisecond) // polling
		}
		jid := master.publish(fmt.Sprintf("2026112016000000000%d", round), "glob", "*", "test.ping")
		if _, err := s.WaitJob(soon(t), jid, n, n); err != nil {
			t.Fatal(err)
		}
	}
}

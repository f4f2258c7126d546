package saltkey

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/cliargs"
	"github.com/saltern-io/saltern/internal/config"
)

// silent are events nobody hears.
type silent struct{}

func (silent) Fire(context.Context, string, string) {}
func (silent) Close()                               {}

// fleet is a host with n pending keys.
func fleet(t testing.TB, n int) *host {
	h := newHost(t, t.TempDir(), hostSeed{flags: map[string]bool{"empty": true}}, nil)
	pem := []byte(strings.TrimSpace(fixtures(t).Keys["delta"].PublicPEM))
	for i := range n {
		must(t, os.WriteFile(filepath.Join(h.path("m/pki/minions_pre"), fmt.Sprintf("minion-%05d.example.com", i)), pem, 0o644))
	}
	return h
}

func quietly(b testing.TB, h *host, args ...string) {
	cmd := newCommand(func(*config.Master) Events { return silent{} })
	var errs bytes.Buffer
	cmd.SetOut(io.Discard)
	cmd.SetErr(&errs)
	if code := cliargs.Execute(cmd, append([]string{"-c", h.root, "--strict-exit"}, args...)); code != 0 {
		b.Fatalf("%v: exit %d: %s", args, code, errs.String())
	}
}

const fleetSize = 10_000

// BenchmarkList10k is salt-key -L with 10,000 keys, start of the process left out.
func BenchmarkList10k(b *testing.B) {
	h := fleet(b, fleetSize)
	b.ReportAllocs()
	for b.Loop() {
		quietly(b, h, "-L")
	}
}

// BenchmarkAcceptAll10k is salt-key -y -A with 10,000 pending keys, with the record of who did it.
func BenchmarkAcceptAll10k(b *testing.B) {
	h := fleet(b, fleetSize)
	b.ReportAllocs()
	for b.Loop() {
		quietly(b, h, "-y", "-A")
		b.StopTimer()
		pre, accepted := h.path("m/pki/minions_pre"), h.path("m/pki/minions")
		must(b, os.Remove(pre))
		must(b, os.Rename(accepted, pre))
		must(b, os.Mkdir(accepted, 0o755))
		b.StartTimer()
	}
}

// BenchmarkListProcess10k is BenchmarkList10k as a process of its own.
func BenchmarkListProcess10k(b *testing.B) {
	h := fleet(b, fleetSize)
	b.ReportAllocs()
	for b.Loop() {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childArgs+"="+strings.Join([]string{"-c", h.root, "-L"}, "\n"))
		if out, err := child.Output(); err != nil || bytes.Count(out, []byte("\n")) != fleetSize+4 {
			b.Fatalf("%d bytes, %v", len(out), err)
		}
	}
}

package syndic

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/saltern-io/saltern/internal/badlink"
	"github.com/saltern-io/saltern/internal/config"
)

// TestBadLink_netem is TestBadLink_lossy over a line that the kernel makes bad: a pair of interfaces into another
// network name space, 200 ms and 5 % loss in both directions.
//
//	syndic ── veth, netem ──▶ listener in the other name space ── loopback ──▶ master of masters
func TestBadLink_netem(t *testing.T) {
	if !long {
		t.Skip("SALTERN_LONG is not set")
	}
	ns := newNamespace(t)
	tier := startBadTierOver(t, 5, func(t testing.TB, m *top) (cutter, config.Upstream) {
		req, pub := ns.relay(t, m.RetPort), ns.relay(t, m.PublishPort)
		return cutter{req, pub}, config.Upstream{Host: ns.far, Port: req.port(), PublishPort: pub.port(), Entry: "far"}
	})
	tier.load(t)
}

// namespace is another network name space with a line to it.
type namespace struct{ name, near, far string }

// newNamespace makes one, or skips the test where that cannot be done.
func newNamespace(t testing.TB) namespace {
	t.Helper()
	id := os.Getpid() % 10_000
	ns := namespace{
		name: fmt.Sprint("saltern", id), near: fmt.Sprintf("198.18.%d.%d", id%250, id/250*4+1),
		far: fmt.Sprintf("198.18.%d.%d", id%250, id/250*4+2),
	}
	here, there := fmt.Sprintf("slt%da", id), fmt.Sprintf("slt%db", id)
	inside := []string{"ip", "netns", "exec", ns.name}
	bad := []string{"root", "netem", "delay", "200ms", "loss", "5%"}
	commands := [][]string{
		{"ip", "netns", "add", ns.name},
		{"ip", "link", "add", here, "type", "veth", "peer", "name", there},
		{"ip", "link", "set", there, "netns", ns.name},
		{"ip", "addr", "add", ns.near + "/30", "dev", here},
		{"ip", "link", "set", here, "up"},
		append(inside, "ip", "addr", "add", ns.far+"/30", "dev", there),
		append(inside, "ip", "link", "set", there, "up"),
		append([]string{"tc", "qdisc", "add", "dev", here}, bad...),
		append(append(inside[:4:4], "tc", "qdisc", "add", "dev", there), bad...),
	}
	t.Cleanup(func() {
		_ = exec.Command("ip", "link", "del", here).Run() // neither need be there
		_ = exec.Command("ip", "netns", "del", ns.name).Run()
	})
	for _, c := range commands {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Skipf("needs root, iproute2 and a kernel with netem: %s: %v: %s", strings.Join(c, " "), err, strings.TrimSpace(string(out)))
		}
	}
	return ns
}

// relay listens in the name space and passes on to a port of loopback here.
func (ns namespace) relay(t testing.TB, port int) *wireTap {
	t.Helper()
	type result struct {
		net.Listener
		error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		f, err := os.Open(filepath.Join("/run/netns", ns.name))
		if err == nil {
			err = errors.Join(unix.Setns(int(f.Fd()), unix.CLONE_NEWNET), f.Close())
		}
		var l net.Listener
		if err == nil {
			l, err = net.Listen("tcp", net.JoinHostPort(ns.far, "0"))
		}
		made <- result{l, err}
	}()
	r := <-made
	if r.error != nil {
		t.Fatal(r.error)
	}
	relay := badlink.Serve(r.Listener, net.JoinHostPort("127.0.0.1", itoa(port)))
	t.Cleanup(func() { must(t, relay.Close()) })
	return &wireTap{relay}
}

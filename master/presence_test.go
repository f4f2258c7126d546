package master

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
)

func TestReadConnections(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1199 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0A01A8C0:1199 0B01A8C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1
   2: 0A01A8C0:119A 0C01A8C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1
   3: 0A01A8C0:1199 0D01A8C0:C350 06 00000000:00000000 00:00000000 00000000     0        0 1 1
   4: 0000000000000000FFFF00000A01A8C0:1199 0000000000000000FFFF00000E01A8C0:C351 01 0 0 0
   5: 000080FE00000000000000000100A8C0:1199 000080FE00000000000000000200A8C0:C351 01 0 0 0
   6: garbage
   7: 0A01A8C0:1199 zz:C350 01 0
`
	got := map[netip.Addr]bool{}
	readConnections(strings.NewReader(table), 0x1199, got)
	var texts []string
	for addr := range got {
		texts = append(texts, addr.String())
	}
	slices.Sort(texts)
	// The table has host order; this is what a little-endian machine shows.
	if want := []string{"192.168.1.11", "192.168.1.14", "fe80::c0a8:2"}; !slices.Equal(texts, want) {
		t.Errorf("peers %q, want %q", texts, want)
	}
}

func TestPresence(t *testing.T) {
	p := newPresence()
	now := time.Unix(1_000_000, 0)
	p.heard("talks", now)
	p.heard("was-here", now.Add(-time.Hour))
	p.heard("idle", now.Add(-time.Hour))
	p.learn("idle", wire.NewMap("ipv4", []any{"127.0.0.1", "192.0.2.1"}, "ipv6", []any{"::1", "fe80::1%eth0", "no address", int64(7)}))
	p.learn("was-here", wire.NewMap("ipv4", []any{"127.0.0.1", "192.0.2.9"}))
	p.learn("nothing-known", nil)
	ids := []string{"idle", "nothing-known", "talks", "was-here"}
	connected := map[netip.Addr]bool{netip.MustParseAddr("192.0.2.1"): true, netip.MustParseAddr("127.0.0.1"): true}
	got := p.present(ids, now.Add(-presenceWindow), connected)
	if want := []string{"idle", "talks"}; !slices.Equal(got, want) {
		t.Errorf("present %q, want %q", got, want)
	}
	if !p.knows("nothing-known") || p.knows("stranger") {
		t.Error("what was learned is not known")
	}
	p.retain(got)
	if p.count() != 2 || p.has("was-here") || !p.has("idle") {
		t.Errorf("%d places are taken", p.count())
	}
	p.forget("idle")
	if p.knows("idle") || p.has("idle") {
		t.Error("a forgotten minion is known")
	}
}

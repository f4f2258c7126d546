package client

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/saltern-io/saltern/internal/wire"
)

// Texts in place of a return (spec: local-client-and-salt-cli §4.1).
const (
	TextNotConnected = "Minion did not return. [Not connected]"
	TextNoResponse   = "Minion did not return. [No response]"
	textMayFinish    = "The minions may not have all finished running and any remaining minions will return upon " +
		"completion. To look up the return data for this job later, run the following command:\n\n" +
		"salt-run jobs.lookup_jid "
)

// LookupHint tells how to see the returns of a job later.
func LookupHint(jid string) string { return textMayFinish + jid }

// maxCacheFile bounds one file of the minion data cache.
const maxCacheFile = 16 << 20

// Silent makes the results of minions that did not return. Syndics are left out: they are no minions.
func (c *Client) Silent(jid string, ids []string) []Result {
	var results []Result
	conn := connections{dir: filepath.Join(c.cfg.CacheDir, "minions"), port: c.cfg.PublishPort, known: c.cfg.MinionDataCache}
	for _, id := range ids {
		r := Result{ID: id, JID: jid, Silent: true, Out: "no_return", Retcode: int64(1)}
		switch {
		case conn.absent(id):
			r.Return = TextNotConnected
		case c.isSyndic(id):
			continue
		default:
			r.Return = TextNoResponse + "\n" + LookupHint(jid)
		}
		results = append(results, r)
	}
	return results
}

func (c *Client) isSyndic(id string) bool {
	if c.cfg.SyndicDir == "" || !plainName(id) {
		return false
	}
	_, err := os.Stat(filepath.Join(c.cfg.SyndicDir, id))
	return err == nil
}

// plainName keeps ids from the network from leaving a directory.
func plainName(id string) bool {
	return id != "" && id != "." && id != ".." && !strings.ContainsAny(id, "/\x00")
}

// connections compares the addresses in cached grains with those that are connected to the publish
// port on this host, as stock does. Minions behind one address hide each other.
type connections struct {
	dir     string
	port    int
	known   bool // the cache may be used at all
	loaded  bool
	peers   map[netip.Addr]bool
	someone bool // at least one cached minion is connected
}

// absent reports that the minion has cached data, that somebody is connected, and that it is not.
func (c *connections) absent(id string) bool {
	if !c.known || !plainName(id) {
		return false
	}
	addrs, ok := c.addresses(id)
	if !ok {
		return false
	}
	c.load()
	return c.someone && !c.connected(addrs)
}

func (c *connections) load() {
	if c.loaded {
		return
	}
	c.loaded = true
	c.peers = peersOf(c.port, "/proc/net/tcp", "/proc/net/tcp6")
	if len(c.peers) == 0 {
		return
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return // nobody is cached, so nobody is known to be connected
	}
	for _, e := range entries {
		if addrs, ok := c.addresses(e.Name()); ok && c.connected(addrs) {
			c.someone = true
			return
		}
	}
}

func (c *connections) connected(addrs []netip.Addr) bool {
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool { return c.peers[a] })
}

// addresses reads the grains ipv4 and ipv6 of a minion; ok is false when nothing is cached.
func (c *connections) addresses(id string) (addrs []netip.Addr, ok bool) {
	f, err := os.Open(filepath.Join(c.dir, id, "data.p"))
	if err != nil {
		return nil, false
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxCacheFile))
	if err != nil {
		return nil, false
	}
	data, err := wire.DecodeMap(raw, wire.Local, wire.LoadLimits)
	if err != nil {
		return nil, false
	}
	grains := data.Map("grains")
	if grains == nil {
		return nil, true
	}
	for _, v := range append(texts(grains.List("ipv4")), texts(grains.List("ipv6"))...) {
		if a, err := netip.ParseAddr(v); err == nil {
			addrs = append(addrs, a.Unmap().WithZone(""))
		}
	}
	return addrs, true
}

// peersOf lists the remote addresses of established connections to a local port, from the kernel's
// tables.
func peersOf(port int, tables ...string) map[netip.Addr]bool {
	peers := map[netip.Addr]bool{}
	for _, table := range tables {
		f, err := os.Open(table)
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6 here, or not Linux
		}
		if err != nil {
			continue
		}
		readPeers(f, port, peers)
		_ = f.Close() // opened for reading only
	}
	return peers
}

func readPeers(r io.Reader, port int, peers map[netip.Addr]bool) {
	const established = "01"
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != established {
			continue
		}
		_, localPort, ok := hexAddr(fields[1])
		remote, _, ok2 := hexAddr(fields[2])
		if ok && ok2 && localPort == port {
			peers[remote] = true
		}
	}
}

// hexAddr reads "0100007F:11DA": address in words of the machine's byte order (little endian on what
// we run on), port in network order.
func hexAddr(s string) (netip.Addr, int, bool) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	p, err2 := hex.DecodeString(port)
	if !ok || err != nil || err2 != nil || len(p) != 2 {
		return netip.Addr{}, 0, false
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(raw)
	return addr.Unmap(), int(p[0])<<8 | int(p[1]), ok
}

package master

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// tcpEstablished is the state of an open connection in the kernel's table.
const tcpEstablished = "01"

// connectedAddrs are the peers of the publish port, from the kernel's table of this network
// namespace. For a peer on this host the addresses of the host are added, because grains name those.
func (m *Master) connectedAddrs() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, path := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				m.limited.Warn("Connections cannot be listed", "err", err)
			}
			continue
		}
		readConnections(f, m.announced, out)
		f.Close()
	}
	local := false
	for addr := range out {
		if addr.IsLoopback() {
			delete(out, addr)
			local = true
		}
	}
	if local {
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			m.limited.Warn("Addresses of this host cannot be listed", "err", err)
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLoopback() {
				out[prefix.Addr().Unmap().WithZone("")] = true
			}
		}
	}
	return out
}

// readConnections adds the remote addresses of open connections to the local port. Lines are
// `sl local_address rem_address st …`, addresses as hexadecimal 32-bit words in host order.
func readConnections(table io.Reader, port int, into map[netip.Addr]bool) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != tcpEstablished {
			continue
		}
		_, localPort, _ := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseUint(localPort, 16, 16); err != nil || int(n) != port {
			continue
		}
		remote, _, _ := strings.Cut(fields[2], ":")
		if addr, ok := kernelAddr(remote); ok {
			into[addr] = true
		}
	}
}

func kernelAddr(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return addr.Unmap(), ok
}

package check

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// listener is one listening TCP socket of the host.
type listener struct {
	addr  netip.AddrPort
	inode string
}

const stateListen = "0A"

// listeners reads /proc/net/tcp and tcp6.
func (c *checker) listeners() ([]listener, error) {
	var all []listener
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		f, err := os.Open(filepath.Join(c.o.Proc, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s := bufio.NewScanner(f)
		for s.Scan() {
			fields := strings.Fields(s.Text())
			const inodeColumn = 9
			if len(fields) <= inodeColumn || fields[3] != stateListen {
				continue
			}
			if addr, ok := procAddr(fields[1]); ok {
				all = append(all, listener{addr: addr, inode: fields[inodeColumn]})
			}
		}
		err = s.Err()
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// procAddr reads "0100007F:1199": the address in words of the host's byte order, the port in hexadecimal.
func procAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	if !ok {
		return netip.AddrPort{}, false
	}
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	if hostIsLittle {
		for i := 0; i+4 <= len(raw); i += 4 {
			slices.Reverse(raw[i : i+4])
		}
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
}

// clashes reports whether somebody who listens at l keeps a bind to host:port from working.
func (l listener) clashes(host string, port int) bool {
	if int(l.addr.Port()) != port {
		return false
	}
	want, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil || want.IsUnspecified() || l.addr.Addr().IsUnspecified() {
		return true // a name, or all addresses
	}
	return want.Unmap() == l.addr.Addr()
}

// ports checks that the master's ports are free, or taken by a master of the same configuration.
func (c *checker) ports(running []process) {
	all, err := c.listeners()
	if err != nil {
		c.add(Finding{Level: Note, Area: AreaPorts, What: "the listening sockets cannot be read: " + err.Error(), Hint: "ss -ltn"})
		return
	}
	for _, p := range []struct {
		option string
		port   int
	}{{"publish_port", c.master.PublishPort}, {"ret_port", c.master.RetPort}} {
		where := c.master.Interface + ":" + strconv.Itoa(p.port)
		i := slices.IndexFunc(all, func(l listener) bool { return l.clashes(c.master.Interface, p.port) })
		if i < 0 {
			c.ok(AreaPorts, where, "%s is free", p.option)
			continue
		}
		c.taken(p.option, where, p.port, all[i], running)
	}
}

func (c *checker) taken(option, where string, port int, l listener, running []process) {
	owner, known := c.owning(l.inode)
	master := slices.IndexFunc(running, func(p process) bool { return p.role == RoleMaster })
	switch {
	case known && owner.role == RoleMaster && master >= 0 && owner.ours == running[master].ours,
		!known && master >= 0: // another user's process: the master that runs is the likely one
		who := "stock"
		if running[master].ours {
			who = "saltern's"
		}
		c.ok(AreaPorts, where, "%s is served by %s master, pid %d", option, who, running[master].pid)
	default:
		who := "another process, which this user may not see"
		if known {
			who = fmt.Sprintf("process %d (%s)", owner.pid, owner.name)
		}
		c.add(Finding{
			Level: Fault, Area: AreaPorts, Option: option, Where: where, What: "is taken by " + who,
			Hint: fmt.Sprintf("ss -ltnp 'sport = :%d'", port),
		})
	}
}

// owning finds the process that holds a socket; of several (forks share it) the eldest.
func (c *checker) owning(inode string) (process, bool) {
	want := "socket:[" + inode + "]"
	entries, err := os.ReadDir(c.o.Proc)
	if err != nil {
		return process{}, false
	}
	best := 0
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || best != 0 && pid > best {
			continue
		}
		fds, err := os.ReadDir(filepath.Join(c.o.Proc, e.Name(), "fd"))
		if err != nil {
			continue // another user's, or gone
		}
		if slices.ContainsFunc(fds, func(fd os.DirEntry) bool {
			target, err := os.Readlink(filepath.Join(c.o.Proc, e.Name(), "fd", fd.Name()))
			return err == nil && target == want
		}) {
			best = pid
		}
	}
	if best == 0 {
		return process{}, false
	}
	return c.process(best)
}

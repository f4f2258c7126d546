package config

import (
	"bufio"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// masterID is the master's id (spec: config-and-daemons §2.5): the option, or the minion id of this
// host with the suffix _master.
func masterID(m *Master, o LoadOptions) string {
	if v, ok := m.Raw.Get("id").Text(); ok && v != "" {
		return appendDomain(v, m.AppendDomain)
	}
	id := minionID(m.RootDir, m.Raw, o)
	return appendDomain(id, m.AppendDomain) + "_master"
}

// minionID is the id a minion of this host would use when no file sets one.
func minionID(rootDir string, tree *Map, o LoadOptions) string {
	caching := true
	if v := tree.Get("minion_id_caching"); v != nil {
		caching = truth(v)
	}
	if caching {
		if id := firstLine(filepath.Join(absolute(rootDir), "etc/salt/minion_id")); id != "" && id != "localhost" {
			return id
		}
	}
	if o.Hostname != nil {
		return o.Hostname()
	}
	return hostName()
}

func appendDomain(id, domain string) string {
	if domain == "" || strings.HasSuffix(id, domain) {
		return id
	}
	return id + "." + strings.TrimPrefix(domain, ".")
}

func firstLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	if !s.Scan() {
		return ""
	}
	return strings.TrimSpace(s.Text())
}

// hostName is the fully qualified host name, else the plain one, else an address that is not
// loopback. A resolver that does not answer costs at most the look-up time.
func hostName() string {
	const lookupTime = 3 * time.Second
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	if strings.Contains(name, ".") && !strings.HasPrefix(name, "localhost") {
		return name
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	if full := qualified(ctx, name); full != "" {
		return full
	}
	if name != "" && name != "localhost" {
		return name
	}
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
				return n.IP.String()
			}
		}
	}
	return "localhost"
}

// qualified asks the resolver for a name with a dot that is not a name of the loopback address.
func qualified(ctx context.Context, name string) string {
	if name == "" {
		return ""
	}
	addrs, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		names, err := net.DefaultResolver.LookupAddr(ctx, a)
		if err != nil {
			continue
		}
		for _, n := range names {
			n = strings.TrimSuffix(n, ".")
			if strings.Contains(n, ".") && !strings.HasPrefix(n, "localhost") {
				return n
			}
		}
	}
	return ""
}

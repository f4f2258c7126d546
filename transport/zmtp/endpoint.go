package zmtp

import (
	"fmt"
	"net"
	"strings"
)

// address is where to listen or connect, in the words of package net.
type address struct {
	network string // "tcp", or "tcp4" where an IPv6 socket must not take its place
	host    string
	port    string
	local   string // "host:port" to connect from, or ""
}

// splitEndpoint reads "tcp://host:port" and "tcp://host:port;host:port".
func splitEndpoint(endpoint string) (a address, err error) {
	rest, ok := strings.CutPrefix(endpoint, "tcp://")
	if !ok {
		return a, fmt.Errorf("%w: endpoint %q is not tcp://", ErrConfig, endpoint)
	}
	if local, remote, ok := strings.Cut(rest, ";"); ok {
		a.local, rest = local, remote
	}
	if a.host, a.port, err = net.SplitHostPort(rest); err != nil {
		return a, fmt.Errorf("%w: endpoint %q: %w", ErrConfig, endpoint, err)
	}
	a.network = "tcp"
	return a, nil
}

// listenAddress resolves what may stand in front of a port to listen on: an address, an interface name, or "*".
// The port may be "*" or 0 for one that is free. An IPv6 wildcard takes IPv4 peers too.
func listenAddress(endpoint string, ipv6 bool) (a address, err error) {
	if a, err = splitEndpoint(endpoint); err != nil {
		return a, err
	}
	if a.port == "*" {
		a.port = "0"
	}
	if a.host == "*" || a.host == "" {
		a.host = "0.0.0.0"
		if ipv6 {
			a.host = "::"
		}
	}
	if ip := net.ParseIP(strings.SplitN(a.host, "%", 2)[0]); ip == nil {
		if a.host, err = interfaceAddress(a.host, ipv6); err != nil {
			return a, err
		}
	}
	if !strings.Contains(a.host, ":") {
		a.network = "tcp4"
	}
	return a, nil
}

// interfaceAddress returns the first address of a network interface, IPv4 unless ipv6 prefers the other.
func interfaceAddress(name string, ipv6 bool) (string, error) {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return "", fmt.Errorf("%w: %q is neither an address nor an interface of this host", ErrConfig, name)
	}
	addrs, err := nic.Addrs()
	if err != nil {
		return "", fmt.Errorf("addresses of interface %s: %w", name, err)
	}
	other := ""
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if (n.IP.To4() == nil) == ipv6 {
			return n.IP.String(), nil
		}
		if n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
			continue // useless without its zone
		}
		other = n.IP.String()
	}
	if other == "" {
		return "", fmt.Errorf("%w: interface %s has no address", ErrConfig, name)
	}
	return other, nil
}

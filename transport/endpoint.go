package transport

import (
	"strconv"
	"strings"
)

// Endpoint returns the address to connect to, "tcp://host:port". An IPv6 host may come with or without its
// brackets. spec: transport §2.2.
func Endpoint(host string, port int) string {
	return "tcp://" + bracket(host) + ":" + strconv.Itoa(port)
}

// EndpointFrom is Endpoint with a local address to connect from: "tcp://srcHost:srcPort;host:port". An empty
// srcHost becomes 0.0.0.0 (or [::] towards an IPv6 host); srcPort 0 lets the kernel choose. With neither it
// returns the plain endpoint. spec: transport §2.2 (source_address, source_ret_port).
func EndpointFrom(srcHost string, srcPort int, host string, port int) string {
	if srcHost == "" && srcPort == 0 {
		return Endpoint(host, port)
	}
	if srcHost == "" {
		srcHost = "0.0.0.0"
		if isIPv6(host) {
			srcHost = "::"
		}
	}
	return "tcp://" + bracket(srcHost) + ":" + strconv.Itoa(srcPort) + ";" +
		strings.TrimPrefix(Endpoint(host, port), "tcp://")
}

// BindEndpoint returns the address to listen on. host is the interface option: an address, with or without
// IPv6 brackets, an interface name, or empty or "*" for all. Port 0 asks the kernel for a free port.
func BindEndpoint(host string, port int) string {
	if host == "" {
		host = "*"
	}
	p := "*"
	if port != 0 {
		p = strconv.Itoa(port)
	}
	return "tcp://" + bracket(host) + ":" + p
}

// bracket puts an IPv6 address into brackets unless it has them.
func bracket(host string) string {
	if isIPv6(host) && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}

// isIPv6 reports whether host is an IPv6 address; names and IPv4 addresses have no colon.
func isIPv6(host string) bool { return strings.Contains(host, ":") }

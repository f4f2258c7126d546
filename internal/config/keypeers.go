package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// KeyPeerAddresses is saltern_key_peers: the name of every master with which keys are shared, and where its request
// port is, "" for one that is not asked from here. An address without a port has stock's 4506.
func (m *Master) KeyPeerAddresses() (map[string]string, error) {
	peers := map[string]string{}
	if m.KeyPeers == nil {
		return peers, nil
	}
	for k, v := range m.KeyPeers.All() {
		name, ok := k.(string)
		if !ok || name == "" || strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") {
			return nil, fmt.Errorf("'%v' cannot be the name of a master", k)
		}
		address, ok := v.Text()
		if !ok && v.Data != nil {
			return nil, fmt.Errorf("the address of %s is not host:port", name)
		}
		if address == "" {
			peers[name] = ""
			continue
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			host, port = strings.Trim(address, "[]"), "4506"
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("the address of %s, '%s', is not host:port", name, address)
		}
		peers[name] = net.JoinHostPort(host, port)
	}
	return peers, nil
}

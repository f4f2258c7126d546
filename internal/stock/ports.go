package stock

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports below the usual range of outgoing connections, so that no client socket takes one in between.
const (
	portFloor = 15000
	portCount = 15000
	portTries = 200
)

var ports struct {
	sync.Mutex
	taken map[int]bool
}

// ErrNoPort is returned when no free port was found.
var ErrNoPort = errors.New("no free port")

// FreePort returns a TCP port free on the loopback address host and never returned before by this process. An empty
// host means every address of the machine.
func FreePort(host string) (int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.taken == nil {
		ports.taken = make(map[int]bool)
	}
	for range portTries {
		port := portFloor + rand.IntN(portCount)
		if ports.taken[port] {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("free port on %s: %w", host, err)
		}
		ports.taken[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("free port on %s: %w", host, ErrNoPort)
}

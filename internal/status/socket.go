package status

import (
	"os"
	"path/filepath"

	"github.com/saltern-io/saltern/internal/unixsocket"
)

// Names in sock_dir.
const (
	MasterSocket = "saltern-master-status.sock"
	SyndicSocket = "saltern-syndic-status.sock"
	BrokerSocket = "saltern-broker-status.sock"
	RelaySocket  = "saltern-relay-status.sock"
)

// listenSocket binds path with mode 0600, and makes its directory when it is missing.
func listenSocket(path string) (*unixsocket.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return unixsocket.Listen(path, 0o600)
}

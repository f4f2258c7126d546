package logfmt

import (
	"fmt"
	"strings"
)

// refuseURL says clearly that a syslog destination is not written to, rather than making a file of
// that name.
func refuseURL(path string) error {
	for _, scheme := range []string{"file://", "udp://", "tcp://"} {
		if strings.HasPrefix(path, scheme) {
			return fmt.Errorf("log file %s: syslog destinations are not supported by this release; log to a file, or to standard error under systemd", path)
		}
	}
	return nil
}

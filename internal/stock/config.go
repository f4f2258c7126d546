package stock

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// maxRoot keeps the longest socket path under root_dir below the kernel's 108 bytes.
const maxRoot = 55

// MasterConfig is what the harness says to a master; everything else stays at its default.
type MasterConfig struct {
	Root        string // root_dir
	Interface   string // loopback address
	PublishPort int
	RequestPort int      // ret_port
	Extra       []string // further lines, "option: value"
}

// MinionConfig is what the harness says to a minion, or to the minion half of a syndic.
type MinionConfig struct {
	Root        string
	ID          string
	Master      string // empty in a syndic's file: the master file names the masters of masters
	RequestPort int    // master_port
	PublishPort int    // 0: the port announced at sign-in (spec: syndic §2, publish port trap)
	Extra       []string
}

// Write puts dir/master there.
func (c MasterConfig) Write(dir string) error {
	return writeConfig(dir, "master", c.Root, append([]string{
		"interface: " + c.Interface,
		fmt.Sprintf("publish_port: %d", c.PublishPort),
		fmt.Sprintf("ret_port: %d", c.RequestPort),
		"worker_threads: 3",
		// A missing minion costs timeout + gather_job_timeout (spec: local-client §4); the defaults
		// would only make every poll of the harness slow.
		"gather_job_timeout: 4",
		"log_level: info",
	}, c.Extra...))
}

// Write puts dir/minion there.
func (c MinionConfig) Write(dir string) error {
	lines := []string{
		"id: " + c.ID,
		"log_level: info",
		// The defaults wait up to 10 s before another sign-in and up to 11 s before another connect.
		"acceptance_wait_time: 1",
		"recon_default: 200",
		"recon_max: 1000",
		"recon_randomize: False",
	}
	if c.Master != "" {
		lines = append(lines, "master: "+c.Master, fmt.Sprintf("master_port: %d", c.RequestPort))
	}
	if c.PublishPort != 0 {
		lines = append(lines, fmt.Sprintf("publish_port: %d", c.PublishPort))
	}
	return writeConfig(dir, "minion", c.Root, append(lines, c.Extra...))
}

func writeConfig(dir, name, root string, lines []string) error {
	if len(root) > maxRoot {
		return fmt.Errorf("write %s config: root_dir %s is too long for Unix sockets below it", name, root)
	}
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("write %s config: %w", name, err)
	}
	for _, path := range []string{dir, root} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("write %s config: %w", name, err)
		}
	}
	lines = append([]string{"root_dir: " + root, "user: " + me.Username}, lines...)
	text := strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write %s config: %w", name, err)
	}
	return nil
}

// PKIDir is the default pki_dir of a master below its root_dir.
func PKIDir(root string) string { return filepath.Join(root, "etc/salt/pki/master") }

// SockDir is the default sock_dir of a master below its root_dir.
func SockDir(root string) string { return filepath.Join(root, "var/run/salt/master") }

// CacheDir is the default cachedir of a master below its root_dir.
func CacheDir(root string) string { return filepath.Join(root, "var/cache/salt/master") }

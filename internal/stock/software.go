package stock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Role names a daemon or command of a Salt tier by its stock program name.
type Role string

// The programs the harness starts.
const (
	Master  Role = "salt-master"
	Minion  Role = "salt-minion"
	Syndic  Role = "salt-syndic"
	Command Role = "salt"
	Key     Role = "salt-key"
	Runner  Role = "salt-run"
	Swarm   Role = "swarm"         // simulated minions; saltern alone has them
	Broker  Role = "salt-broker"   // saltern alone
	Status  Role = "status"        // saltern alone
	Relay   Role = "saltern-relay" // saltern alone
)

// ErrRole is returned for a program which the software does not have.
var ErrRole = errors.New("no such program")

// Software is one implementation of the tier: a stock release or saltern.
type Software interface {
	// Label is the short name used in reports: "stock" or "saltern".
	Label() string
	// Argv is the command line that runs role with args; ErrRole when it has no such program.
	Argv(role Role, args ...string) ([]string, error)
	// Environ is the environment of the program, in the form of os.Environ.
	Environ() []string
	// Level is the highest wire protocol level spoken (spec: newer-salt, "Wire protocol levels").
	Level() int
}

// Saltern is the binary under test.
type Saltern struct {
	Binary string // absolute path of the built program
}

var salternCommands = map[Role]string{
	Master: "master", Syndic: "syndic", Key: "key", Command: "salt", Runner: "run",
	Swarm: "swarm", Broker: "broker", Status: "status", Relay: "relay",
}

// NewSaltern checks that path is an executable file and makes it absolute.
func NewSaltern(path string) (*Saltern, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find saltern binary: %w", err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("find saltern binary: %w", err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("find saltern binary: %s is not executable", abs)
	}
	return &Saltern{Binary: abs}, nil
}

// Label is "saltern".
func (s *Saltern) Label() string { return "saltern" }

// Argv runs role as a subcommand of the binary. There is no minion.
func (s *Saltern) Argv(role Role, args ...string) ([]string, error) {
	command, ok := salternCommands[role]
	if !ok {
		return nil, fmt.Errorf("saltern %s: %w", role, ErrRole)
	}
	return append([]string{s.Binary, command}, args...), nil
}

// Environ is the harness's own environment without terminal colours.
func (s *Saltern) Environ() []string { return baseEnviron() }

// Level is the newest level known.
func (s *Saltern) Level() int { return 3 }

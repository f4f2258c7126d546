package master

import (
	"slices"

	"github.com/saltern-io/saltern/internal/wire"
)

// The file server's answers while no files are served: every request gets the reply that stock
// gives when there is nothing there, in the right shape (spec: file-server §1).

// fileEnvs answers `_file_envs`: the configured environment names; with a true `sources` by backend.
func (m *Master) fileEnvs(r *request) ([]byte, error) {
	envs := m.fileEnvironments()
	var out []byte
	if raw, ok := wire.Field(r.load, "sources"); ok {
		if sources, _ := wire.Bool(raw); sources {
			out = wire.AppendStr(wire.AppendMapHeader(nil, 1), "roots", wire.Wire)
		}
	}
	out = wire.AppendListHeader(out, len(envs))
	for _, env := range envs {
		out = wire.AppendStr(out, env, wire.Wire)
	}
	return out, nil
}

// fileEnvironments lists file_roots, base first, then in the order of the configuration.
func (m *Master) fileEnvironments() []string {
	envs := []string{"base"}
	for _, env := range m.cfg.Load().FileRoots {
		if !slices.Contains(envs, env.Name) {
			envs = append(envs, env.Name)
		}
	}
	return envs
}

// constant returns a handler that always gives the same reply value.
func constant(value []byte) handler {
	return func(*Master, *request) ([]byte, error) { return value, nil }
}

var (
	valueNil      = []byte{0xc0}
	valueFalse    = []byte{0xc2}
	valueTrue     = []byte{0xc3}
	valueEmptyStr = []byte{0xa0}
	valueEmptyMap = []byte{0x80}
)

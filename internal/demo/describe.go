package demo

import (
	"fmt"

	"github.com/saltern-io/saltern/internal/wire"
)

// Describe shows a stored job load in one line.
func Describe(load []byte) string {
	m, err := wire.DecodeMap(load, wire.Wire, wire.LoadLimits)
	if err != nil {
		return err.Error()
	}
	tgt, _ := m.Get("tgt")
	fun, _ := m.Get("fun")
	return fmt.Sprintf("fun %v, tgt %v (%s), user %s", fun, tgt, m.Str("tgt_type"), m.Str("user"))
}

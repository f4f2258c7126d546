package broker

import "github.com/saltern-io/saltern/internal/wire"

// minionIn finds the minion's id where a request tells it in clear: in the envelope at level 3, in the load of a
// sign-in at every level (spec: transport §2.4, relay-and-broker §2 requirement 6). nil when it does not. Nothing is
// decoded, the result aliases body, and whatever body holds goes on to the master unchanged.
func minionIn(body []byte) []byte {
	if len(body) == 0 || body[0]&0xf0 != 0x80 || wire.Check(body, sniffLimits) != nil {
		return nil // an envelope has a few keys
	}
	if raw, ok := wire.Field(body, "id"); ok {
		id, _ := wire.Bytes(raw)
		return id
	}
	raw, _ := wire.Field(body, "enc")
	if enc, ok := wire.Bytes(raw); !ok || string(enc) != wire.EncClear {
		return nil
	}
	load, ok := wire.Field(body, "load")
	if !ok || !wire.IsMap(load) {
		return nil
	}
	raw, _ = wire.Field(load, "cmd")
	if cmd, ok := wire.Bytes(raw); !ok || string(cmd) != wire.CmdAuth {
		return nil
	}
	if raw, ok = wire.Field(load, "id"); !ok {
		return nil
	}
	id, _ := wire.Bytes(raw)
	return id
}

// sniffLimits is far above a sign-in; a clear publish request of a command line that has more is passed on all the same.
var sniffLimits = wire.Limits{Depth: 16, Items: 4096}

package master

import (
	"strings"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// loginToken answers `get_token`. No tokens are issued, so none is known: false without the field,
// an empty map otherwise (spec: master-functions §3.2).
func (m *Master) loginToken(r *request) ([]byte, error) {
	if _, ok := wire.Field(r.load, "token"); !ok {
		return valueFalse, nil
	}
	return valueEmptyMap, nil
}

// runnerRequest answers the clear `runner` command. No runner functions are offered over the
// request port in this release (salt-run brings its own); a caller is told so as stock tells that
// a function does not exist: by the job's return event (spec: master-functions §3.3).
func (m *Master) runnerRequest(r *request) ([]byte, error) {
	load, fun, refusal, err := m.controlLoad(r)
	if err != nil || refusal != nil {
		return refusal, err
	}
	id := m.nextJID()
	tag := "salt/run/" + id
	data := wire.NewMap("fun", "runner."+fun, "jid", id, "user", load.Str("user"), "fun_args", []any{})
	m.fire(tag+"/new", data.Clone())
	data.Set("return", "'"+fun+"' is not available.")
	data.Set("success", false)
	m.fire(tag+"/ret", data)
	return wire.Encode(wire.NewMap("tag", tag, "jid", id), wire.Wire)
}

// wheelRequest answers the clear `wheel` command, likewise (spec: master-functions §3.4).
func (m *Master) wheelRequest(r *request) ([]byte, error) {
	load, fun, refusal, err := m.controlLoad(r)
	if err != nil || refusal != nil {
		return refusal, err
	}
	id := m.nextJID()
	tag := "salt/wheel/" + id
	data := wire.NewMap("fun", "wheel."+fun, "jid", id, "tag", tag, "user", load.Str("user"))
	m.fire(tag+"/new", data.Clone())
	data.Set("_stamp", event.Stamp(m.now()))
	data.Set("return", "'"+fun+"' is not available.")
	data.Set("success", false)
	m.fire(tag+"/ret", data.Clone())
	return wire.Encode(wire.NewMap("tag", tag, "data", data), wire.Wire)
}

// controlLoad proves the caller of runner and wheel and checks the function's form.
func (m *Master) controlLoad(r *request) (load *wire.Map, fun string, refusal []byte, err error) {
	if load, err = r.loadMap(); err != nil {
		return nil, "", nil, err
	}
	name, message := "", ""
	switch {
	case load.Has("token"):
		name, message = "TokenAuthenticationError", `Authentication failure of type "token" occurred.`
	case load.Has("eauth"):
		name = "EauthAuthenticationError"
		message = `Authentication failure of type "eauth" occurred for user ` + printable(load.Str("username")) + "."
	default:
		if _, ok := m.local.owner(load.Str("key")); !ok {
			name, message = "UserAuthenticationError", `Authentication failure of type "user" occurred`
		}
	}
	fun = load.Str("fun")
	if name == "" && strings.Count(fun, ".") < 1 {
		name, message = "SaltInvocationError", "A command invocation error occurred: Check syntax."
	}
	if name != "" {
		refusal, err = wire.Encode(wire.NewMap("error", wire.NewMap("name", name, "message", message)), wire.Wire)
	}
	return load, fun, refusal, err
}

// revokeAuth answers `revoke_auth`: the minion gives up its own key (spec: master-functions §2.7).
func (m *Master) revokeAuth(r *request) ([]byte, error) {
	load, err := r.loadMap()
	if err != nil {
		return nil, err
	}
	if !m.cfg.Load().AllowMinionKeyRevoke {
		load.Delete("tok")
		load.Delete("nonce")
		return wire.Encode(load, wire.Wire) // as stock: the load comes back
	}
	answer := r.seal(valueTrue)
	if err := m.dropMinion(r.id, load.Bool("preserve_minion_cache")); err != nil {
		return nil, err
	}
	// In the next round and not now: a minion that is accepted by itself could have the whole fleet
	// sign in again as often as it likes.
	if m.cfg.Load().RotateAESKey {
		m.revoked.Store(true)
	}
	m.fire(event.TagKey, wire.NewMap("result", true, "act", "delete", "id", r.id))
	r.raw.Reply(answer)
	return nil, errLater
}

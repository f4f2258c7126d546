package master

import (
	"strings"

	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/wire"
)

// stateFailures are the events per failed state of a state run (spec: event-bus §6.1, 6 and 7). In a
// compound call every function has its own return and its own retcode.
func (m *Master) stateFailures(ret wire.Return) []event.Event {
	if !m.cfg.Load().StateEvents || !runsStates(ret.Fun) || !failedSomewhere(ret.Retcode) {
		return nil
	}
	load, err := wire.DecodeMap(ret.Raw, wire.Wire, wire.LoadLimits)
	if err != nil {
		return nil
	}
	if fun, ok := ret.Fun.(string); ok {
		retcode, _ := load.Get("retcode")
		return m.failuresOf(ret, load, fun, load.Map("return"), retcode)
	}
	var out []event.Event
	funs, _ := ret.Fun.([]any)
	for _, one := range funs {
		fun, _ := one.(string)
		retcode, _ := load.Map("retcode").Get(fun)
		if code, ok := retcode.(int64); stateFunction(fun) && ok && code != 0 {
			out = append(out, m.failuresOf(ret, load, fun, load.Map("return").Map(fun), retcode)...)
		}
	}
	return out
}

// failuresOf walks the chunks of one state run; a compile error is a list and has none.
func (m *Master) failuresOf(ret wire.Return, load *wire.Map, fun string, states *wire.Map, retcode any) []event.Event {
	user, _ := load.Get("user")
	var out []event.Event
	for key, v := range states.All() {
		chunk, ok := v.(*wire.Map)
		if !ok {
			continue
		}
		if result, has := chunk.Get("result"); !has || result != false {
			continue
		}
		name, _ := key.(string)
		call := stateCall(name)
		data := chunk.Clone()
		data.Set("retcode", retcode)
		if ev, err := event.New(call, data, m.now()); err == nil {
			out = append(out, ev)
		}
		data.Set("jid", ret.JID)
		data.Set("id", ret.ID)
		data.Set("success", false)
		data.Set("return", "Error: "+call)
		data.Set("fun", fun)
		data.Set("user", user)
		if ev, err := event.New(event.TagStateError(ret.JID, ret.ID, fun), data, m.now()); err == nil {
			out = append(out, ev)
		}
	}
	return out
}

// stateCall is `<module>.<function>` of a state key `mod_|-ID_|-name_|-fun`.
func stateCall(key string) string {
	parts := strings.Split(key, "_|-")
	if len(parts) < 2 {
		return key
	}
	return parts[0] + "." + parts[len(parts)-1]
}

// stateFunction names the functions whose failures are announced. Others that run states,
// state.apply among them, fire no events in stock either.
func stateFunction(fun string) bool { return fun == "state.highstate" || fun == "state.sls" }

func runsStates(fun any) bool {
	switch f := fun.(type) {
	case string:
		return stateFunction(f)
	case []any:
		for _, one := range f {
			if name, ok := one.(string); ok && stateFunction(name) {
				return true
			}
		}
	}
	return false
}

// failedSomewhere reports a retcode that is not zero, or a map of them, one per function.
func failedSomewhere(retcode []byte) bool {
	if wire.IsMap(retcode) {
		return true
	}
	code, ok := wire.Int(retcode)
	return ok && code != 0
}

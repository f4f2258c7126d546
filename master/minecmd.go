package master

import (
	"fmt"
	"strings"

	"github.com/saltern-io/saltern/internal/target"
	"github.com/saltern-io/saltern/internal/wire"
)

// Mine requests (spec: master-functions §2.2). A record is one map function → value per minion.

// mineStore answers `_mine`: data is merged over the record, or replaces it with `clear`.
func (m *Master) mineStore(r *request) ([]byte, error) {
	load, err := r.loadMap()
	if err != nil {
		return nil, err
	}
	data := load.Map("data")
	if data == nil {
		return valueEmptyMap, nil
	}
	if cfg := m.cfg.Load(); !cfg.MinionDataCache && !cfg.EnforceMineCache {
		return valueTrue, nil // as stock: said to be stored, and not kept
	}
	if clear, _ := load.Get("clear"); clear == true {
		err = m.minions.ReplaceMine(r.id, data)
	} else {
		err = m.minions.UpdateMine(r.id, data)
	}
	if err != nil {
		return nil, err
	}
	return valueTrue, nil
}

// mineDelete answers `_mine_delete`.
func (m *Master) mineDelete(r *request) ([]byte, error) {
	load, err := r.loadMap()
	if err != nil {
		return nil, err
	}
	fun, ok := load.Get("fun")
	if !ok {
		return valueEmptyMap, nil
	}
	if err := m.minions.DeleteMine(r.id, fmt.Sprint(fun)); err != nil {
		return nil, err
	}
	return valueTrue, nil
}

// mineFlush answers `_mine_flush`.
func (m *Master) mineFlush(r *request) ([]byte, error) {
	existed, err := m.minions.FlushMine(r.id)
	if err != nil {
		return nil, err
	}
	if !existed {
		return valueFalse, nil
	}
	return valueTrue, nil
}

// mineGet answers `_mine_get`: the values of one or more functions of the targeted minions.
func (m *Master) mineGet(r *request) ([]byte, error) {
	load, err := r.loadMap()
	if err != nil {
		return nil, err
	}
	tgt, hasTgt := load.Get("tgt")
	fun, hasFun := load.Get("fun")
	if !hasTgt || !hasFun {
		return valueEmptyMap, nil
	}
	kind := load.Str("tgt_type")
	if kind == "" {
		kind = load.Str("expr_form")
	}
	if kind == "" {
		kind = "glob"
	}
	ids, err := m.matchMine(kind, tgt)
	if err != nil {
		return valueEmptyMap, nil // as stock: a target it cannot resolve matches nobody
	}
	funs, many := mineFunctions(fun)
	out := wire.NewMap()
	for _, id := range ids {
		record, err := m.minions.Mine(id)
		if err != nil {
			m.log.Warn("Mine record is unreadable", "minion", id, "err", err)
			continue
		}
		if record == nil {
			continue
		}
		for _, f := range funs {
			value, ok := record.Get(f)
			if !ok {
				continue
			}
			value, ok = m.mineVisible(value, r.id)
			if !ok {
				continue
			}
			if !many {
				out.Set(id, value)
				continue
			}
			byMinion := out.Map(f)
			if byMinion == nil {
				byMinion = wire.NewMap()
				out.Set(f, byMinion)
			}
			byMinion.Set(id, value)
		}
	}
	return wire.Encode(out, wire.Wire)
}

// mineFunctions reads `fun`: one name, a comma list or an array. many tells the form of the reply.
func mineFunctions(fun any) (funs []string, many bool) {
	switch f := fun.(type) {
	case string:
		if !strings.Contains(f, ",") {
			return []string{f}, false
		}
		for _, one := range strings.Split(f, ",") {
			if one = strings.TrimSpace(one); one != "" {
				funs = append(funs, one)
			}
		}
	case []any:
		for _, one := range f {
			if s, ok := one.(string); ok {
				funs = append(funs, s)
			}
		}
	}
	return funs, true
}

// mineVisible unwraps an access-controlled item for the asking minion; ok is false when the item
// is not for it.
func (m *Master) mineVisible(value any, asking string) (any, bool) {
	item, ok := value.(*wire.Map)
	if !ok || item.Int("__saltmine_acl__") != 1 {
		return value, true
	}
	data, _ := item.Get("__data__")
	allow, limited := item.Get("allow_tgt")
	if !limited {
		return data, true
	}
	kind := item.Str("allow_tgt_type")
	if kind == "" {
		kind = "glob"
	}
	ids, err := m.matchMine(kind, allow)
	if err != nil {
		return nil, false
	}
	for _, id := range ids {
		if id == asking {
			return data, true
		}
	}
	return nil, false
}

func (m *Master) matchMine(kind string, tgt any) ([]string, error) {
	matcher, err := target.Parse(kind, tgt, ":")
	if err != nil {
		return nil, err
	}
	accepted, _, err := m.keys.AcceptedIDs()
	if err != nil {
		return nil, err
	}
	ids, _ := matcher.Match(accepted)
	return ids, nil
}

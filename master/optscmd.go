package master

import (
	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
)

// masterOpts answers `_master_opts`, with which every state run starts
// (spec: master-functions §2.1).
func (m *Master) masterOpts(r *request) ([]byte, error) {
	cfg := m.cfg.Load()
	opts := wire.MasterOpts{
		Envs: m.fileEnvironments(), TopFileMergingStrategy: cfg.TopFileMergingStrategy,
		EnvOrder: anyList(cfg.EnvOrder), DefaultTop: cfg.DefaultTop, Renderer: cfg.Renderer, Failhard: cfg.FailHard,
		StateTop: cfg.StateTop, StateTopSaltEnv: cfg.StateTopSaltEnv, NodeGroups: nodegroups(cfg),
		StateAutoOrder: cfg.StateAutoOrder, StateEvents: cfg.StateEvents, StateAggregate: plain(cfg.StateAggregate.Any()),
		JinjaEnv: plainMap(cfg.JinjaEnv), JinjaSLSEnv: plainMap(cfg.JinjaSLSEnv),
		JinjaLstripBlocks: cfg.JinjaLstripBlocks, JinjaTrimBlocks: cfg.JinjaTrimBlocks,
	}
	scope := wire.MasterOptsAll
	if raw, ok := wire.Field(r.load, "env_only"); ok {
		if only, _ := wire.Bool(raw); only {
			scope = wire.MasterOptsEnvOnly
		}
	}
	return opts.Append(nil, scope)
}

func nodegroups(cfg *config.Master) *wire.Map {
	groups := wire.NewMap()
	for _, g := range cfg.Nodegroups {
		groups.Set(g.Name, plain(g.Expr.Any()))
	}
	return groups
}

// plain turns a configuration value into a wire value.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case []config.Pair:
		out := wire.NewMap()
		for _, p := range v {
			out.Set(plain(p.Key), plain(p.Value))
		}
		return out
	default:
		return v
	}
}

func plainMap(m *config.Map) *wire.Map {
	out := wire.NewMap()
	for k, v := range m.All() {
		out.Set(plain(k), plain(v.Any()))
	}
	return out
}

func anyList(items []string) []any {
	out := make([]any, len(items))
	for i, s := range items {
		out[i] = s
	}
	return out
}

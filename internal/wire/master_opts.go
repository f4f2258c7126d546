package wire

// MasterOpts is the reply to _master_opts. Spec: master-functions §2.1.
type MasterOpts struct {
	Envs                   []string // file server environments
	TopFileMergingStrategy string
	EnvOrder               []any
	DefaultTop             string
	Renderer               string
	Failhard               bool
	StateTop               string
	StateTopSaltEnv        string // "" is nil
	NodeGroups             *Map
	StateAutoOrder         bool
	StateEvents            bool
	StateAggregate         any // bool, or []any of state names; nil is false
	JinjaEnv               *Map
	JinjaSLSEnv            *Map
	JinjaLstripBlocks      bool
	JinjaTrimBlocks        bool
}

// DefaultMasterOpts returns stock's defaults for the given file server environments.
func DefaultMasterOpts(envs []string) MasterOpts {
	return MasterOpts{
		Envs: envs, TopFileMergingStrategy: "merge", DefaultTop: "base",
		Renderer: "jinja|yaml", StateTop: "top.sls", StateAutoOrder: true,
	}
}

// Append appends the reply value; with envOnly just the first four keys.
func (o MasterOpts) Append(dst []byte, envOnly MasterOptsScope) ([]byte, error) {
	roots := &Map{}
	for _, env := range o.Envs {
		roots.Set(env, []any{})
	}
	order := o.EnvOrder
	if order == nil {
		order = []any{}
	}
	m := NewMap("file_roots", roots, "top_file_merging_strategy", o.TopFileMergingStrategy, "env_order", order,
		"default_top", o.DefaultTop)
	if envOnly == MasterOptsEnvOnly {
		return Append(dst, m, Wire)
	}
	m.Set("renderer", o.Renderer)
	m.Set("failhard", o.Failhard)
	m.Set("state_top", o.StateTop)
	m.Set("state_top_saltenv", nil)
	setStr(m, "state_top_saltenv", o.StateTopSaltEnv)
	m.Set("nodegroups", o.NodeGroups)
	m.Set("state_auto_order", o.StateAutoOrder)
	m.Set("state_events", o.StateEvents)
	m.Set("state_aggregate", false)
	setAny(m, "state_aggregate", o.StateAggregate)
	m.Set("jinja_env", o.JinjaEnv)
	m.Set("jinja_sls_env", o.JinjaSLSEnv)
	m.Set("jinja_lstrip_blocks", o.JinjaLstripBlocks)
	m.Set("jinja_trim_blocks", o.JinjaTrimBlocks)
	return Append(dst, m, Wire)
}

// MasterOptsScope says how much of MasterOpts a request wants.
type MasterOptsScope uint8

// The two scopes: a request with a true env_only wants MasterOptsEnvOnly.
const (
	MasterOptsAll MasterOptsScope = iota
	MasterOptsEnvOnly
)

// MasterOptsRequested returns the scope a _master_opts load asks for; load is checked.
func MasterOptsRequested(load []byte) MasterOptsScope {
	raw, _ := Field(load, "env_only")
	if v, _ := Bool(raw); v {
		return MasterOptsEnvOnly
	}
	return MasterOptsAll
}

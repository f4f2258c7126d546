package master

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/access"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/wire"
)

// maxJIDBytes bounds a job id that a caller chose: it becomes part of event tags and records.
const maxJIDBytes = 64

// job is one publication on its way from the request to the socket.
type job struct {
	load    *wire.Map // the request as it is kept: without credentials, jid filled in
	jid     string
	fun     any // string or list
	funs    []string
	arg     []any
	tgt     any
	tgtType string
	user    string
	kwargs  *wire.Map // never nil
	minions []string
	missing []string
	nocache bool
	rights  access.AuthList // rights of the caller upstream, nil for everything
	limited bool            // rights apply

	population *population // among whom minions were found
	undecided  bool        // the target needs more than ids
	ownJID     bool        // the job id is new, made here
	relayed    bool        // the request is a syndic's
	path       []string    // where a relayed publication has been
	pathErr    error       // what is wrong with it
}

// publish answers the clear `publish` command (spec: master-functions §4). Unlike stock it proves
// the caller before it resolves the target, so that a stranger cannot make the master work.
func (m *Master) publish(r *request) ([]byte, error) {
	load, err := r.loadMap()
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"user", "fun", "tgt", "arg", "tgt_type", "ret"} {
		if !load.Has(key) {
			return nil, fmt.Errorf("publish without %s", key)
		}
	}
	j, err := newJob(load)
	if err != nil {
		return nil, err
	}
	cfg := m.cfg.Load()
	blacklist := access.Blacklist{Users: cfg.PublisherACLBlacklist.Users, Modules: cfg.PublisherACLBlacklist.Modules}
	if blacklist.Forbids(j.user, j.funs) {
		m.stats.publishRefused.Add(1)
		m.limited.Warn("Publication refused by publisher_acl_blacklist", "user", printable(j.user), "fun", printable(j.funs[0]))
		return wire.AuthorizationError, nil
	}
	if !m.publisherProven(load, j) {
		m.stats.publishRefused.Add(1)
		m.limited.Warn("Publication refused: wrong or missing local key", "user", printable(j.user))
		m.firePublishError(j, "AuthenticationError", "Authentication error occurred.")
		return wire.AuthenticationError, nil
	}
	stripCredentials(load, j.kwargs)
	if j.pathErr != nil {
		return m.pathRefused(j), nil
	}
	if err := m.resolve(j, cfg.OrderMasters); err != nil {
		return nil, err
	}
	asked := access.Request{Funs: j.funs, Args: j.argsPerFun(), Minions: j.minions, Undecided: j.undecided}
	if j.limited && !j.rights.Allows(asked, m.aclTargets(j.population)) {
		m.stats.publishRefused.Add(1)
		m.firePublishError(j, "AuthorizationError", "Authorization error occurred.")
		return wire.AuthorizationError, nil
	}
	if len(j.minions) == 0 && !cfg.OrderMasters {
		return wire.PublishReply{Err: wire.UnresolvedTarget(j.tgt)}.Append(nil), nil
	}
	if j.jid == "" {
		j.jid, j.ownJID = m.nextJID(), true
	}
	if refusal := m.claimJob(j); refusal != nil {
		return refusal, nil
	}
	load.Set("jid", j.jid)
	payload := m.payload(j, cfg.OrderMasters, cfg.MasterID)
	m.announce(j, payload)
	if err := m.issue(j, payload); err != nil {
		m.guard.failed(j.jid)
		return nil, err
	}
	m.stats.published.Add(1)
	return wire.PublishReply{
		JID: j.jid, Minions: j.minions, Missing: j.missing, Complete: cfg.OrderMasters && m.complete(j),
	}.Append(nil), nil
}

// newJob checks the shapes of a publish request.
func newJob(load *wire.Map) (*job, error) {
	j := &job{load: load, jid: load.Str("jid"), tgtType: load.Str("tgt_type"), user: load.Str("user"), kwargs: load.Map("kwargs")}
	if j.kwargs == nil {
		j.kwargs = wire.NewMap()
	}
	j.fun, _ = load.Get("fun")
	switch f := j.fun.(type) {
	case string:
		j.funs = []string{f}
	case []any:
		for _, one := range f {
			s, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("publish: function of type %T", one)
			}
			j.funs = append(j.funs, s)
		}
	}
	if len(j.funs) == 0 {
		return nil, fmt.Errorf("publish: fun of type %T", j.fun)
	}
	j.arg = load.List("arg")
	j.tgt, _ = load.Get("tgt")
	if raw, ok := load.Get("jid"); ok && raw != nil && j.jid == "" && raw != "" {
		return nil, fmt.Errorf("publish: jid of type %T", raw)
	}
	if !usableJID(j.jid) {
		return nil, fmt.Errorf("publish: unusable jid %q", printable(j.jid))
	}
	j.nocache = j.kwargs.Bool("nocache")
	j.takePath()
	if list, ok := j.kwargs.Get("auth_list"); ok {
		rights, ok := list.([]any)
		if !ok && list != nil {
			return nil, fmt.Errorf("publish: auth_list of type %T", list) // never taken for "no limits"
		}
		j.rights, j.limited = rights, len(rights) > 0
		j.kwargs.Delete("auth_list")
	}
	return j, nil
}

// nextJID makes a job id that no other call gets. unique_jid appends the process, for several masters
// whose jobs meet in one place (spec: master-functions §5).
func (m *Master) nextJID() string {
	id := m.jids.Next()
	if m.cfg.Load().UniqueJID {
		id += "_" + strconv.Itoa(os.Getpid())
	}
	return id
}

// usableJID accepts what stock makes, and other names that are safe in a tag and a record.
func usableJID(s string) bool {
	if s == "" || jid.Valid(s) {
		return true
	}
	if len(s) > maxJIDBytes {
		return false
	}
	for _, c := range []byte(s) {
		ok := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("_-.:", c) >= 0
		if !ok {
			return false
		}
	}
	return true
}

func (j *job) argsPerFun() [][]any {
	if _, many := j.fun.([]any); !many {
		return [][]any{j.arg}
	}
	out := make([][]any, len(j.arg))
	for i, a := range j.arg {
		out[i], _ = a.([]any)
	}
	return out
}

// publisherProven reports whether the caller showed a local key with full rights. Login tokens and
// external authentication are not served, so they prove nothing.
func (m *Master) publisherProven(load *wire.Map, j *job) bool {
	if j.kwargs.Has("token") || j.kwargs.Has("eauth") {
		return false
	}
	_, ok := m.local.owner(load.Str("key"))
	return ok
}

// stripCredentials removes what must reach neither the job cache nor an event.
func stripCredentials(load, kwargs *wire.Map) {
	for _, secret := range []string{"key", "token", "password"} {
		load.Delete(secret)
		kwargs.Delete(secret)
	}
}

// aclTargets resolves the target of a rights entry over everybody whom a publication can reach. Only what can be decided
// from ids counts; any other expression names nobody, which denies.
func (m *Master) aclTargets(p *population) access.Targets {
	return func(compound string) (map[string]bool, bool) {
		return access.CompoundIDs(compound, p.ids)
	}
}

// payload is the load for the minions, without its serial (spec: transport §4.5). Keys stand in
// stock's order.
func (m *Master) payload(j *job, orderMasters bool, masterID string) *wire.Map {
	p := wire.NewMap("fun", j.fun, "arg", anyOrEmpty(j.arg), "tgt", j.tgt, "jid", j.jid, "ret", j.load.Str("ret"))
	if id := j.kwargs.Str("master_id"); id != "" {
		masterID = id
	}
	if masterID != "" {
		p.Set("master_id", masterID)
	}
	if d := j.kwargs.Str("delimiter"); d != "" && d != ":" {
		p.Set("delimiter", d)
	}
	copyKeys(p, j.kwargs, "id")
	p.Set("tgt_type", j.tgtType)
	copyKeys(p, j.load, "to")
	copyKeys(p, j.kwargs, "ret_config", "metadata", "module_executors", "executor_opts", "ret_kwargs")
	if user := j.kwargs.Str("user"); user != "" {
		p.Set("user", user) // a syndic hands the caller upstream down
	} else {
		p.Set("user", j.user)
	}
	if orderMasters {
		p.Set("auth_list", anyOrEmpty(j.rights))
	}
	if len(j.path) > 0 {
		p.Set(wire.KeyPath, anyList(j.path))
	}
	return p
}

func copyKeys(dst, src *wire.Map, keys ...string) {
	for _, k := range keys {
		if v, ok := src.Get(k); ok {
			dst.Set(k, v)
		}
	}
}

func anyOrEmpty(l []any) []any {
	if l == nil {
		return []any{}
	}
	return l
}

// announce fires the events of a publication, in stock's order and before the caller's reply: a
// stock client learns from them which minions to wait for (spec: event-bus §6.1).
func (m *Master) announce(j *job, payload *wire.Map) {
	m.settle()
	minions := anyList(j.minions)
	m.fire(j.jid, wire.NewMap("minions", minions))
	m.fire(event.TagJobNew(j.jid), wire.NewMap("jid", j.jid, "tgt_type", j.tgtType, "tgt", j.tgt, "user", j.user,
		"fun", j.fun, "arg", anyOrEmpty(j.arg), "minions", minions, "missing", anyList(j.missing)))
	m.fire(event.TagJobPublish(j.jid), payload.Clone())
}

// settleTimeout bounds how long a publication waits for clients that are still connecting.
const settleTimeout = 200 * time.Millisecond

// settle lets a client that connected to the bus before it asked for this job see all its events.
func (m *Master) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if err := m.events.Settle(ctx); err != nil {
		m.limited.Warn("Events of a job fired before all clients were listening", "err", err)
	}
}

// firePublishError announces a refused publication (spec: event-bus §6.2), without the caller's
// secrets.
func (m *Master) firePublishError(j *job, name, message string) {
	load := j.load.Clone()
	kwargs := j.kwargs.Clone()
	stripCredentials(load, kwargs)
	if load.Has("kwargs") {
		load.Set("kwargs", kwargs)
	}
	load.Set("error", wire.NewMap("name", name, "message", message))
	m.fire(event.TagJobError(j.jid), load)
}

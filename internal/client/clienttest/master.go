package clienttest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/client"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/target"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/transport"
)

// Key is what every key file of a Master holds.
var Key = strings.Repeat("K", 76)

// Return is a minion's answer. Silent ones give none.
type Return struct {
	Value   any
	Retcode any
	Out     string
	Silent  bool
}

// Script says what a Master does.
type Script struct {
	Minions []string // accepted ids; returns come in this order
	// Run is one minion's answer to a job; nil returns true. find_job is never asked: silent minions
	// stay silent.
	Run func(id string, fun any, arg []any) Return
	// Reply replaces the answer to the n-th publish request (from 0) when it is not nil.
	Reply func(n int, req wire.PublishRequest) []byte
	// Wheel answers wheel requests, and those for tokens; they are refused without it.
	Wheel  func(load *wire.Map) any
	Config string // more lines for the configuration file
}

// Master is a running stand-in.
type Master struct {
	Dir       string // everything it owns
	ConfigDir string // has the file "master"

	t      testing.TB
	script Script
	bus    *event.Bus
	jids   *jid.Generator

	mu       sync.Mutex
	requests []wire.PublishRequest
	bodies   [][]byte
}

// Start runs a Master until the test ends.
func Start(t testing.TB, script Script) *Master {
	t.Helper()
	// A short path: names of local sockets must stay below 108 bytes.
	dir, err := os.MkdirTemp("", "fm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover in the temporary directory fails no test
	m := &Master{
		Dir: dir, ConfigDir: filepath.Join(dir, "etc"), t: t, script: script,
		bus: event.NewBus(event.BusConfig{}), jids: jid.NewGenerator(time.Now),
	}
	zctx, err := transport.NewContext(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	requests, err := transport.ListenRequests(transport.RequestServerConfig{
		Context: zctx, Endpoint: transport.BindEndpoint("127.0.0.1", 0),
		Classes:   []transport.Class{{Name: "all", Queue: 100, Workers: 1}},
		Malformed: wire.BadLoad, Handle: func(_ context.Context, r *transport.Request) { m.handle(r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := event.Listen(event.ServerConfig{SockDir: filepath.Join(dir, "run"), Framing: event.FramingBare}, m.bus)
	if err != nil {
		t.Fatal(err)
	}
	m.files(requests.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	run := func(name string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	run("requests", requests.Run)
	run("event bus", sockets.Run)
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := zctx.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// files writes the configuration, the key and the accepted ids.
func (m *Master) files(addr string) {
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	cfg := fmt.Sprintf("interface: 127.0.0.1\nret_port: %s\nroot_dir: %s\nsock_dir: %s/run\ncachedir: %s/cache\npki_dir: %s/pki\n%s\n",
		port, m.Dir, m.Dir, m.Dir, m.Dir, m.script.Config)
	m.write("etc/master", cfg)
	m.write("cache/."+client.CurrentAccount().Name+"_key", Key)
	for _, id := range m.script.Minions {
		m.write("pki/minions/"+id, "key")
	}
}

func (m *Master) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// CacheData stores the cached grains of a minion with one address.
func (m *Master) CacheData(id, ipv4 string) {
	m.t.Helper()
	data, err := wire.Encode(wire.NewMap("grains", wire.NewMap("ipv4", []any{ipv4}), "pillar", wire.NewMap()), wire.Local)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("cache/minions/"+id+"/data.p", string(data))
}

// Requests are the publish requests so far, and Bodies their envelopes.
func (m *Master) Requests() []wire.PublishRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]wire.PublishRequest(nil), m.requests...)
}

// Bodies are the request bodies so far.
func (m *Master) Bodies() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([][]byte(nil), m.bodies...)
}

func (m *Master) handle(r *transport.Request) {
	env, refusal := wire.ParseEnvelope(r.Body())
	if refusal != nil {
		r.Reply(refusal)
		return
	}
	if m.wheel(r, env.Load) {
		return
	}
	req, err := wire.ParsePublishRequest(env.Load)
	if err != nil {
		r.Reply(wire.PayloadException)
		return
	}
	m.mu.Lock()
	n := len(m.requests)
	m.requests = append(m.requests, req)
	m.bodies = append(m.bodies, append([]byte(nil), r.Body()...))
	m.mu.Unlock()
	if m.script.Reply != nil {
		if body := m.script.Reply(n, req); body != nil {
			r.Reply(body)
			return
		}
	}
	m.publish(r, req)
}

// wheel answers a wheel request or one for a token; false: it is none.
func (m *Master) wheel(r *transport.Request, raw []byte) bool {
	if m.script.Wheel == nil {
		return false
	}
	load, err := wire.DecodeMap(raw, wire.Wire, wire.OuterLimits)
	if err != nil || load.Str("cmd") != wire.CmdWheel && load.Str("cmd") != wire.CmdMkToken {
		return false
	}
	answer, err := wire.Encode(m.script.Wheel(load), wire.Wire)
	if err != nil {
		m.t.Errorf("wheel answer: %v", err)
	}
	r.Reply(answer)
	return true
}

// publish answers as a master does and lets the minions return.
func (m *Master) publish(r *transport.Request, req wire.PublishRequest) {
	minions, missing := m.script.Minions, []string(nil)
	if matcher, err := target.Parse(req.TgtType, req.Tgt, ":"); err == nil {
		minions, missing = matcher.Match(m.script.Minions)
	}
	if len(minions) == 0 {
		r.Reply(wire.PublishReply{Err: wire.UnresolvedTarget(req.Tgt)}.Append(nil))
		return
	}
	id := m.jids.Next()
	m.fire(event.TagJobNew(id), wire.NewMap("jid", id, "minions", anys(minions), "missing", anys(missing)))
	r.Reply(wire.PublishReply{JID: id, Minions: minions, Missing: missing}.Append(nil))
	if req.Fun == "saltutil.find_job" {
		return
	}
	for _, minion := range minions {
		ret := Return{Value: true, Retcode: int64(0)}
		if m.script.Run != nil {
			ret = m.script.Run(minion, req.Fun, req.Arg)
		}
		if ret.Silent {
			continue
		}
		data := wire.NewMap("cmd", "_return", "id", minion, "success", true, "return", ret.Value,
			"retcode", ret.Retcode, "jid", id, "fun", req.Fun)
		if ret.Out != "" {
			data.Set("out", ret.Out)
		}
		m.fire(event.TagJobReturn(id, minion), data)
	}
}

func (m *Master) fire(tag string, data *wire.Map) {
	e, err := event.New(tag, data, time.Now())
	if err != nil {
		m.t.Errorf("event %s: %v", tag, err)
		return
	}
	m.bus.Fire(e)
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

package master

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/event"
	"github.com/saltern-io/saltern/internal/jid"
	"github.com/saltern-io/saltern/internal/minioncache"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// wire makes the parts of the master from its configuration, registering how each is closed.
func (m *Master) wire(cfg *config.Master) error {
	steps := []func(*config.Master) error{
		m.wireDirs, m.wireKeys, m.wireStores, m.wireBus, m.wireSockets, m.wireKeySharing,
	}
	for _, step := range steps {
		if err := step(cfg); err != nil {
			return err
		}
	}
	return nil
}

// wireDirs makes the directories that stock tools expect (spec: config-and-daemons §6.2).
func (m *Master) wireDirs(cfg *config.Master) error {
	for _, dir := range []string{"", "jobs", "proc", "syndics", "tokens", "roots", "sessions", "minions"} {
		if err := os.MkdirAll(filepath.Join(cfg.CacheDir, dir), 0o755); err != nil {
			return fmt.Errorf("make cache directory: %w", err)
		}
	}
	return os.MkdirAll(filepath.Join(cfg.CacheDir, "saltern"), 0o700)
}

func (m *Master) wireKeys(cfg *config.Master) error {
	var err error
	if m.keys, err = pki.OpenDirStore(cfg.PKIDir, pki.DirOptions{}); err != nil {
		return fmt.Errorf("open the key store: %w", err)
	}
	keyOptions := masterKeyOptions(cfg)
	keyOptions.Log = m.log
	keys, err := pki.LoadMasterKeys(keyOptions)
	if errors.Is(err, pki.ErrNoSignature) {
		return err // in stock's words, which operators search for
	}
	if err != nil {
		return fmt.Errorf("load the master keys: %w", err)
	}
	m.masterKeys.Store(keys)
	sign := func(digest []byte) ([]byte, error) { return m.masterKeys.Load().Master.SignX931(digest) }
	m.shared, err = pki.OpenSharedKey(filepath.Join(cfg.CacheDir, "saltern", "aes"), sign, pki.SharedKeyOptions{Now: m.now})
	if err != nil {
		return fmt.Errorf("open the shared key: %w", err)
	}
	m.onClose("shared key", m.shared.Close)
	if err := m.wireSessions(cfg); err != nil {
		return err
	}
	m.wireAutosign(cfg)
	m.authLocks = newStripes()
	m.sealed = newSealedKeys()
	m.presence = newPresence()
	m.local, err = openLocalKeys(cfg.CacheDir, cfg.User)
	return err
}

func masterKeyOptions(cfg *config.Master) pki.MasterKeyOptions {
	return pki.MasterKeyOptions{
		PKIDir: cfg.PKIDir, ID: strings.TrimSuffix(cfg.ID, "_master"), KeySize: cfg.KeySize, KeyPass: []byte(cfg.KeyPass),
		SignPubKey: cfg.MasterSignPubKey, SignKeyName: cfg.MasterSignKeyName, SignKeyPass: []byte(cfg.SigningKeyPass),
		UsePubKeySignature: cfg.MasterUsePubKeySignature, PubKeySignatureFile: cfg.MasterPubKeySignature,
	}
}

// wireSessions opens the session keys. The files are the truth, so that opening them again, with
// another lifetime, costs no minion its session.
func (m *Master) wireSessions(cfg *config.Master) error {
	sessions, err := pki.OpenSessions(filepath.Join(cfg.CacheDir, "sessions"), sessionLife(cfg))
	if err != nil {
		return fmt.Errorf("open the session keys: %w", err)
	}
	m.sessions.Store(sessions)
	return nil
}

// sessionLife is how old a session key may become; 0 is for ever.
func sessionLife(cfg *config.Master) time.Duration {
	if cfg.RequestServerAESSession > 0 {
		return cfg.RequestServerAESSession
	}
	return cfg.PublishSession
}

// wireAutosign puts the acceptance rules in force; they may change while the master runs.
func (m *Master) wireAutosign(cfg *config.Master) {
	m.autosign.Store(pki.NewAutosign(pki.AutosignConfig{
		AutoAccept: cfg.AutoAccept, AutosignFile: cfg.AutosignFile, AutorejectFile: cfg.AutorejectFile,
		GrainsDir: cfg.AutosignGrainsDir, StubDir: filepath.Join(cfg.PKIDir, "minions_autosign"),
		StubTimeout: cfg.AutosignTimeout, PermissivePKI: cfg.PermissivePKIAccess,
	}))
}

func (m *Master) wireStores(cfg *config.Master) error {
	var err error
	m.jobs, err = jobcache.Open(cfg.JobCacheDir, jobcache.Options{
		Keep: storeKeep, JournalMax: cfg.JournalMax, ExportMax: exportMax(cfg), Log: m.log, Clock: m.now,
	})
	if err != nil {
		return fmt.Errorf("open the job cache: %w", err)
	}
	m.onClose("job cache", m.jobs.Close)
	if err := m.wireExport(cfg); err != nil {
		return err
	}
	m.loads = jobcache.LocalDir{Root: filepath.Join(cfg.CacheDir, "jobs"), HashType: cfg.HashType}
	if m.minions, err = minioncache.Open(cfg.CacheDir); err != nil {
		return err
	}
	if m.syndics, err = openSyndicRegistry(cfg.SyndicDir); err != nil {
		return err
	}
	m.jids = jid.NewGenerator(m.now)
	m.ends = newEndTimes(m.jobs, m.log)
	return m.wireTier(cfg)
}

// wireTier makes what the master needs as one of several: the place of its publications in a journal, and what stands
// below its syndics.
func (m *Master) wireTier(cfg *config.Master) error {
	var err error
	if m.inventories, err = openInventories(filepath.Join(cfg.CacheDir, "saltern", "inventory"), m.log); err != nil {
		return err
	}
	m.guard, m.origins, m.publisher = newLoopGuard(), newOrigins(), newPublisher(m.now)
	return m.beginEpoch()
}

func (m *Master) wireBus(cfg *config.Master) error {
	m.bus = event.NewBus(event.BusConfig{QueueEvents: busQueue, QueueBytes: int(cfg.IPCWriteBuffer), Log: m.log})
	framing, err := event.ParseFraming(cfg.EventBusFraming)
	if err != nil {
		return fmt.Errorf("saltern_event_bus_framing: %w", err)
	}
	sc := event.ServerConfig{SockDir: cfg.SockDir, Framing: framing, PubMode: 0o660, Log: m.log}
	if cfg.IPCMode == "tcp" {
		sc.TCP = &event.TCPPorts{Pub: cfg.TCPMasterPubPort, Pull: cfg.TCPMasterPullPort}
	}
	server, err := event.Listen(sc, m.bus)
	if err != nil {
		return fmt.Errorf("open the event bus: %w", err)
	}
	m.events = server
	m.onClose("event sockets", server.Close)
	return nil
}

// Cost classes of the request socket. Sign-ins are dear (two private operations) and come in
// storms; they must never hold up returns, nor the other way round.
const (
	classMinions = iota // encrypted requests: returns, events, pillar, files
	classAuth
	classControl // other clear requests: publish
	classPing    // liveness: what a failback minion and the watchdog ask with; waits for nothing
)

// classify looks at the envelope only: it runs on the socket's goroutine.
func classify(body []byte) int {
	if wire.Check(body, wire.OuterLimits) != nil {
		return classControl
	}
	enc, ok := wire.Field(body, "enc")
	if !ok {
		return classControl
	}
	if name, _ := wire.Bytes(enc); string(name) != "clear" {
		return classMinions
	}
	load, ok := wire.Field(body, "load")
	if !ok || !wire.IsMap(load) {
		return classControl
	}
	cmd, _ := wire.Field(load, "cmd")
	switch name, _ := wire.Bytes(cmd); string(name) {
	case wire.CmdAuth:
		return classAuth
	case wire.CmdPing:
		return classPing
	}
	return classControl
}

// authAhead is how many sign-ins are prepared beside those whose private operations run: with one
// worker per processor each operation ends in an idle thread and a wake-up, measured at 8 % of the
// CPU of a sign-in. How many operations run at once is pki's matter.
const authAhead = 4

func (m *Master) wireSockets(cfg *config.Master) error {
	var err error
	cores := m.cores
	if m.zctx, err = transport.NewContext(min(4, max(1, cores/2)), 4096); err != nil {
		return err
	}
	m.onClose("zeromq context", m.zctx.Close)
	options := transport.SocketOptions{
		Backlog: cfg.ZMQBacklog, IPv6: cfg.IPv6, MaxMsgBytes: cfg.MaxMsgBytes, Keepalive: keepalive(cfg),
		HeartbeatIvl: cfg.Heartbeat, HeartbeatTimeout: cfg.HeartbeatTimeout,
	}
	m.reqs, err = transport.ListenRequests(transport.RequestServerConfig{
		Context: m.zctx, Endpoint: transport.BindEndpoint(cfg.Interface, cfg.RetPort), Options: options,
		Classes: []transport.Class{
			classMinions: {Name: "minions", Queue: classLimits[classMinions].Requests, QueueBytes: classLimits[classMinions].Bytes, Workers: 2 * cores, Full: transport.StopReading},
			// A sign-in that finds no room is told "bad load" at once: the minion waits and comes again.
			classAuth:    {Name: "auth", Queue: classLimits[classAuth].Requests, QueueBytes: classLimits[classAuth].Bytes, Workers: cores + authAhead, Full: transport.Answer, Answer: wire.BadLoad},
			classControl: {Name: "control", Queue: classLimits[classControl].Requests, QueueBytes: classLimits[classControl].Bytes, Workers: 2 * cores, Full: transport.Answer, Answer: wire.PayloadException},
			classPing:    {Name: "ping", Queue: classLimits[classPing].Requests, QueueBytes: classLimits[classPing].Bytes, Workers: 1, Full: transport.Answer, Answer: wire.PayloadException},
		},
		Classify: classify, Handle: m.handle,
		Malformed: wire.BadLoadMap, Exception: wire.PayloadException, Shutdown: wire.BadLoad,
		DrainTimeout: cfg.DrainTimeout, Log: m.log,
	})
	if err != nil {
		return fmt.Errorf("bind the request port: %w", err)
	}
	m.onClose("request socket", m.reqs.Close)
	options.HWM = cfg.PubHWM
	m.pubs, err = transport.ListenPublish(transport.PublishServerConfig{
		Context: m.zctx, Endpoint: transport.BindEndpoint(cfg.Interface, cfg.PublishPort), Options: options, Queue: publishQueue, Log: m.log,
	})
	if err != nil {
		return fmt.Errorf("bind the publish port: %w", err)
	}
	m.onClose("publish socket", m.pubs.Close)
	m.announced, err = portOf(m.pubs.Addr())
	return err
}

// portOf reads the port of a bound endpoint, tcp://host:port.
func portOf(endpoint string) (int, error) {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		return 0, fmt.Errorf("bound endpoint %q: %w", endpoint, err)
	}
	return strconv.Atoi(port)
}

// keepaliveIdle is the silence after which a peer is probed, unless the option says otherwise: a minion that
// moved to another master over a dead link shall not be counted here for long (spec: multi-master §4.4).
const keepaliveIdle = 60 * time.Second

func keepalive(cfg *config.Master) transport.KeepaliveOptions {
	idle := time.Duration(cfg.TCPKeepaliveIdle) * time.Second
	if !cfg.Raw.Has("tcp_keepalive_idle") {
		idle = keepaliveIdle
	}
	return transport.KeepaliveOptions{
		Off: !cfg.TCPKeepalive, Idle: idle,
		Interval: time.Duration(cfg.TCPKeepaliveIntvl) * time.Second, Count: cfg.TCPKeepaliveCnt,
	}
}

// dropMinion forgets everything that makes a minion a member: its key, session and, unless asked
// otherwise, what it told about itself.
func (m *Master) dropMinion(id string, keepCache bool) error {
	err := m.keys.Delete(id, pki.Accepted)
	err = errors.Join(err, m.sessions.Load().Delete(id), m.forgetSyndic(id))
	if !keepCache {
		err = errors.Join(err, m.minions.Forget(id))
	}
	m.presence.forget(id)
	m.sealed.forget(id)
	return err
}

package master_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

// requestShapes is every command with the fields its handler looks at, in good form.
func requestShapes() map[string]*wire.Map {
	m := wire.NewMap
	job := m("cmd", wire.CmdReturn, "jid", "20260102030405678901", "fun", "test.ping", "fun_args", []any{}, "return", true,
		"retcode", 0, "success", true, "out", "nested", "metadata", m("a", 1), "user", "root")
	state := job.Clone()
	state.Set("fun", "state.sls")
	state.Set("retcode", 2)
	state.Set("return", m("pkg_|-a_|-a_|-installed", m("result", false, "comment", "no")))
	file := func(cmd string) *wire.Map {
		return m("cmd", cmd, "saltenv", "base", "path", "top.sls", "prefix", "", "loc", 0, "gzip", 0)
	}
	all := map[string]*wire.Map{
		"return": job, "return of states": state,
		"standalone return": m("cmd", wire.CmdReturn, "jid", "req", "fun", "test.ping", "return", []any{1, "two"}, "nocache", false),
		"syndic return": m("cmd", wire.CmdSyndicReturn, "load", []any{m("id", "hostile", "__jid__", "20260102030405678902",
			"return", m("m1", m("return", true)), "fun", "test.ping", "load", m("fun", "test.ping"))}),
		"syndic return, old": m("cmd", wire.CmdSyndicReturn, "jid", "20260102030405678903", "return", m("m1", m("return", true)),
			"fun", "test.ping", "load", m("jid", "20260102030405678903")),
		"event":  m("cmd", wire.CmdMinionEvent, "tag", "some/tag", "data", m("a", 1), "pretag", nil, "events", nil),
		"events": m("cmd", wire.CmdMinionEvent, "pretag", "syndic/hostile", "events", []any{m("tag", "20260102030405678904", "data", m("minions", []any{"m1"}, "jid", "20260102030405678904"))}),
		"pillar": m("cmd", wire.CmdPillar, "grains", m("os", "Debian"), "saltenv", nil, "pillarenv", nil, "pillar_override", m(), "ver", "2", "extra_minion_data", m()),
		"opts":   m("cmd", wire.CmdMasterOpts, "env_only", false),
		"tops":   m("cmd", wire.CmdMasterTops, "opts", m("id", "hostile")),
		"mine":   m("cmd", wire.CmdMine, "data", m("test.ping", true), "clear", false),
		"mine get": m("cmd", wire.CmdMineGet, "tgt", "*", "fun", "test.ping", "tgt_type", "glob",
			"expr_form", "glob"),
		"mine delete": m("cmd", wire.CmdMineDelete, "fun", "test.ping"),
		"mine flush":  m("cmd", wire.CmdMineFlush),
		"file recv":   m("cmd", wire.CmdFileRecv, "path", []any{"a"}, "size", 3, "loc", 0, "data", "abc"),
		"minion pub":  m("cmd", wire.CmdMinionPub, "tgt", "*", "fun", "test.ping", "arg", []any{}, "ret", "", "tmo", 1),
		"minion publish": m("cmd", wire.CmdMinionPublish, "tgt", "*", "fun", "test.ping", "arg", []any{}, "ret", "", "tmo", 1,
			"form", "full"),
		"minion runner": m("cmd", wire.CmdMinionRunner, "fun", "test.arg", "arg", []any{}),
		"pub ret":       m("cmd", wire.CmdPubRet, "jid", "20260102030405678901"),
		"verify minion": m("cmd", wire.CmdVerifyMinion, "token", "x"),
		"revoke":        m("cmd", wire.CmdRevokeAuth, "preserve_minion_cache", false),
		"unknown":       m("cmd", "no_such_command", "a", 1),
		"hidden":        m("cmd", "__class__"),
	}
	for _, cmd := range []string{
		wire.CmdFileEnvs, wire.CmdFileList, wire.CmdFileListEmptyDirs, wire.CmdDirList, wire.CmdSymlinkList,
		wire.CmdFileFind, wire.CmdFileHash, wire.CmdFileHashAndStat, wire.CmdServeFile,
	} {
		all[cmd] = file(cmd)
	}
	return all
}

// clearShapes is every clear command in good form.
func clearShapes(m *mastertest.Running, key string) map[string]*wire.Map {
	n := wire.NewMap
	return map[string]*wire.Map{
		"auth": n("cmd", wire.CmdAuth, "id", "stranger", "nonce", nonce(), "pub", key, "enc_algo", "OAEP-SHA1",
			"sig_algo", "PKCS1v15-SHA1", "token", make([]byte, 256), "autosign_grains", n("a", "b")),
		"ping": n("cmd", wire.CmdPing, "x", 1),
		"publish": n("cmd", wire.CmdPublish, "fun", "test.ping", "arg", []any{}, "tgt", "nobody", "tgt_type", "glob", "jid", "",
			"ret", "", "user", m.Config.User, "key", "wrong", "kwargs", n("delimiter", ":")),
		"token":     n("cmd", wire.CmdMkToken, "eauth", "pam", "username", "u", "password", "p"),
		"get token": n("cmd", wire.CmdGetTok, "token", "0123"),
		"runner":    n("cmd", wire.CmdRunner, "fun", "jobs.active", "kwarg", n(), "user", m.Config.User, "key", "wrong"),
		"wheel":     n("cmd", wire.CmdWheel, "fun", "key.list_all", "user", m.Config.User, "key", "wrong"),
		"unknown":   n("cmd", "no_such_command"),
	}
}

// oddValues are one value of every kind a field can have on the wire, and some sizes.
var oddValues = []any{
	nil, true, int64(-1), uint64(1) << 63, 1.5, "", "\xff\x00/../", bytes.Repeat([]byte{'x'}, 5000),
	[]any{},
	[]any{nil, []any{}, wire.NewMap()},
	wire.NewMap(), wire.NewMap(int64(1), "k", nil, "v"),
	wire.Ext{Code: 5, Data: []byte{1}},
}

// variants calls send with the load as it is, without each of its fields, and with each field odd. The name says which.
func variants(load *wire.Map, also []string, send func(name, field string, load *wire.Map)) {
	send("good", "", load.Clone())
	fields := append([]string(nil), also...)
	for k := range load.All() {
		fields = append(fields, k.(string))
	}
	for _, field := range fields {
		without := load.Clone()
		without.Delete(field)
		send("without "+field, field, without)
		for i, odd := range oddValues {
			other := load.Clone()
			other.Set(field, odd)
			send(fmt.Sprintf("%s is odd value %d", field, i), field, other)
		}
	}
}

// TestEveryRequestIsAnswered sends every command with every field missing or of a wrong kind. Each gets an answer;
// a well proven one gets it sealed, whatever its other fields are. Handlers must not need their panics caught.
func TestEveryRequestIsAnswered(t *testing.T) {
	for _, level := range []wire.Level{2, 3} {
		t.Run(fmt.Sprintf("encrypted, level %d", level), func(t *testing.T) {
			t.Parallel()
			m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept, c.MinimumAuthVersion = true, 0 })
			c := join(t, m, "hostile")
			requests := 0
			proof := map[string]bool{"id": true, "tok": true, "ts": true, "nonce": true, "cmd": true}
			for name, shape := range requestShapes() {
				n := nonce()
				variants(c.proven(shape, n), nil, func(variant, field string, load *wire.Map) {
					requests++
					if shape.Str("cmd") == wire.CmdRevokeAuth {
						c.signIn(t) // it may have given its key up
					}
					answer, err := c.do(c.seal(t, level, load))
					switch {
					case err != nil:
						t.Fatalf("%s, %s: %v", name, variant, err)
					case bytes.Equal(answer, wire.PayloadException) && field != "cmd":
						t.Errorf("%s, %s: the handler panicked", name, variant)
					case !proof[field] && shape.Str("cmd") != wire.CmdPillar && !c.opens(level, answer, n):
						t.Errorf("%s, %s: answer %.80q", name, variant, answer)
					}
				})
			}
			t.Logf("%d requests", requests)
		})
	}
	t.Run("clear", func(t *testing.T) {
		t.Parallel()
		m := mastertest.Start(t, func(c *config.Master) { c.AutoAccept, c.MinimumAuthVersion = true, 0 })
		c := join(t, m, "beside")
		requests := 0
		ask := func(name, variant string, level wire.Level, load *wire.Map) {
			t.Helper()
			raw, err := wire.Encode(load, wire.Wire)
			if err != nil {
				t.Fatal(err)
			}
			requests++
			if _, err := c.do(wire.AppendClear(nil, raw, level)); err != nil {
				t.Fatalf("%s, %s, level %d: %v", name, variant, level, err)
			}
		}
		for name, shape := range clearShapes(m, c.key.Public().Clean()) {
			variants(shape, []string{"id", "eauth", "token"}, func(variant, _ string, load *wire.Map) {
				for level := range wire.Level(4) {
					ask(name, variant, level, load)
				}
				if load.Has("key") && load.Str("key") == "wrong" {
					load.Set("key", m.RootKey(t))
					ask(name, variant+", right key", 3, load)
				}
			})
		}
		t.Logf("%d requests", requests)
	})
}

// envelopes are bodies that are not what they should be, from the outermost byte inwards.
func envelopes() map[string][]byte {
	good := wire.AppendClear(nil, wire.AppendCommand(nil, wire.CmdPing, wire.Proof{}), 3)
	bodies := map[string][]byte{
		"empty": {}, "one byte": {0xc1}, "text": []byte("GET / HTTP/1.1\r\n\r\n"), "nil": {0xc0}, "list": {0x90}, "empty map": {0x80},
		"trailing byte":       append(bytes.Clone(good), 0),
		"cut":                 good[:len(good)-1],
		"map of 4 G":          {0xdf, 0xff, 0xff, 0xff, 0xff},
		"list of 4 G":         {0xdd, 0xff, 0xff, 0xff, 0xff},
		"string of 4 G":       {0xdb, 0xff, 0xff, 0xff, 0xff},
		"lists 100,000 deep":  bytes.Repeat([]byte{0x91}, 100_000),
		"maps 100,000 deep":   bytes.Repeat([]byte{0x81, 0xa1, 'a'}, 100_000),
		"a million nils":      append([]byte{0xdd, 0, 15, 0x42, 0x40}, bytes.Repeat([]byte{0xc0}, 1_000_000)...),
		"a million in a load": append(append([]byte("\x82\xa3enc\xa5clear\xa4load"), 0xdd, 0, 15, 0x42, 0x40), bytes.Repeat([]byte{0xc0}, 1_000_000)...),
		"deep load":           append([]byte("\x82\xa3enc\xa5clear\xa4load\x81\xa3cmd"), bytes.Repeat([]byte{0x91}, 50_000)...),
	}
	odd := append([]any{"clear", "aes", "pub", "Clear", "none"}, oddValues...)
	for i, enc := range odd {
		for j, load := range append([]any{make([]byte, 16), make([]byte, 48), make([]byte, 400)}, oddValues...) {
			for k, version := range []any{nil, int64(3), int64(-1), int64(99), "3"} {
				raw, err := wire.Encode(wire.NewMap("enc", enc, "load", load, "version", version, "id", "x"), wire.Wire)
				if err == nil {
					bodies[fmt.Sprintf("enc %d, load %d, version %d", i, j, k)] = raw
				}
			}
		}
	}
	return bodies
}

// TestEveryBodyIsAnswered sends bodies that are no requests at all.
func TestEveryBodyIsAnswered(t *testing.T) {
	m := mastertest.Start(t, nil)
	p := mustPeer(t, m, m.RetPort, "REQ")
	for name, body := range envelopes() {
		answer, err := p.do(body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(answer) == 0 {
			t.Errorf("%s: empty frame as answer", name)
		}
	}
}

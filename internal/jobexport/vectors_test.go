package jobexport

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/redisdb"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/jobcache"
)

// vector is one key that a stock master wrote.
type vector struct {
	Key    string                     `json:"key"`
	Type   string                     `json:"type"`
	Value  string                     `json:"value"`
	Load   json.RawMessage            `json:"value_json"`
	Fields map[string]json.RawMessage `json:"fields"`
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	b, err := os.ReadFile("../../testdata/vectors/master-redis-keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Keys []vector }
	if err := json.Unmarshal(b, &file); err != nil || len(file.Keys) == 0 {
		t.Fatal(err, len(file.Keys))
	}
	return file.Keys
}

// fromJSON reads JSON with the order of its keys.
func fromJSON(t *testing.T, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value func() any
	value = func() any {
		tok, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case json.Delim:
			if tok == '[' {
				list := []any{}
				for d.More() {
					list = append(list, value())
				}
				_, _ = d.Token() // the end of what More saw
				return list
			}
			m := wire.NewMap()
			for d.More() {
				key := value()
				m.Set(key, value())
			}
			_, _ = d.Token() // the same
			return m
		case json.Number:
			n, err := tok.Int64()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		return tok
	}
	return value()
}

type fixture struct {
	t     *testing.T
	store *jobcache.Store
	redis *miniredis.Miniredis
	exp   *Exporter
}

func newFixture(t *testing.T, keep time.Duration) *fixture {
	t.Helper()
	f := &fixture{t: t, redis: miniredis.RunT(t)}
	var err error
	if f.store, err = jobcache.Open("jobs", jobcache.Options{FS: vfs.NewMem(), ExportMax: 100_000}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() }) // in memory
	f.exp = f.exporter(config.Redis{Host: f.redis.Host(), Port: f.redis.Server().Addr().Port}, keep)
	return f
}

func (f *fixture) exporter(cfg config.Redis, keep time.Duration) *Exporter {
	f.t.Helper()
	c, err := redisdb.Open(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() }) // nothing more is written
	return New(Config{Source: f.store, Client: c, Keep: func() time.Duration { return keep }, Server: "test", Log: slog.New(slog.DiscardHandler)})
}

func (f *fixture) load(jid string, load *wire.Map, minions ...string) {
	f.t.Helper()
	raw, err := wire.Encode(load, wire.Wire)
	if err == nil {
		err = f.store.SavePublication(context.Background(), jobcache.Job{JID: jid, Load: raw, Minions: minions, Published: true}, jobcache.Publication{})
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) ret(jid, minion string, ret *wire.Map) {
	f.t.Helper()
	raw, err := wire.Encode(ret, wire.Wire)
	if err != nil {
		f.t.Fatal(err)
	}
	done := make(chan jobcache.Outcome, 1)
	f.store.SaveReturn(jobcache.Return{JID: jid, MinionID: minion, Body: raw}, func(o jobcache.Outcome) { done <- o })
	if o := <-done; o.Err != nil {
		f.t.Fatal(o.Err)
	}
}

func (f *fixture) export() {
	f.t.Helper()
	for {
		more, err := f.exp.round(context.Background())
		if err != nil {
			f.t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func (f *fixture) get(key string) string {
	f.t.Helper()
	s, err := f.redis.Get(key)
	if err != nil {
		f.t.Fatalf("%s: %v", key, err)
	}
	return s
}

// TestVectors stores the returns that a stock master had, and finds the keys that it wrote, text for text.
func TestVectors(t *testing.T) {
	f := newFixture(t, time.Hour)
	vectors := readVectors(t)
	for _, v := range vectors {
		switch v.Type {
		case "hash":
			jid := strings.TrimPrefix(v.Key, prefixRet)
			for minion, raw := range v.Fields {
				f.ret(jid, minion, fromJSON(t, raw).(*wire.Map))
			}
		case "string":
			if jid, ok := strings.CutPrefix(v.Key, prefixLoad); ok && strings.Contains(string(v.Load), `"tgt"`) {
				load := fromJSON(t, v.Load).(*wire.Map)
				f.load(jid, load)
				f.ret(jid, load.Str("id"), load)
			}
		}
	}
	f.export()
	for _, v := range vectors {
		switch {
		case v.Type == "hash":
			for minion, raw := range v.Fields {
				if got := f.redis.HGet(v.Key, minion); got != string(raw) {
					t.Errorf("%s %s: %s, want %s", v.Key, minion, got, raw)
				}
			}
			if ttl := f.redis.TTL(v.Key); ttl != time.Hour {
				t.Errorf("%s lives %v", v.Key, ttl)
			}
		case v.Type == "set":
			if members, err := f.redis.SMembers(v.Key); err != nil || fmt.Sprint(members) != "[m9]" {
				t.Errorf("%s: %v %v", v.Key, members, err)
			}
		case v.Load != nil:
			if got := f.get(v.Key); got != string(v.Load) {
				t.Errorf("%s: %s, want %s", v.Key, got, v.Load)
			}
		default:
			if got := f.get(v.Key); got != v.Value {
				t.Errorf("%s: %q, want %q", v.Key, got, v.Value)
			}
		}
	}
	if st := f.exp.Stats(); st.Exported == 0 || st.Log.Waiting != 0 || st.Refused+st.Expired != 0 || !st.Connected {
		t.Errorf("%+v", st)
	}
}

// TestLoad_stays: the published load survives its returns, holds the minions, and takes a syndic's list.
func TestLoad_stays(t *testing.T) {
	f := newFixture(t, 0)
	f.load("1", wire.NewMap("cmd", "publish", "tgt", "*", "fun", "test.écho", "arg", []any{"ü", int64(7), 1e16, nil, true}, "jid", "1"), "b", "a")
	f.ret("1", "a", wire.NewMap("cmd", "_return", "id", "a", "jid", "1", "return", []byte{0xff, 'x'}, "fun", []any{"test.ping", "it's"}))
	f.export()
	want := `{"cmd": "publish", "tgt": "*", "fun": "test.écho", "arg": ["ü", 7, 1e+16, null, true], "jid": "1", "Minions": ["a", "b"]}`
	if got := f.get("load:1"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := f.get(`a:['test.ping', "it's"]`); got != "1" {
		t.Errorf("last run %q", got)
	}
	if !json.Valid([]byte(f.redis.HGet("ret:1", "a"))) || f.redis.TTL("ret:1") != 0 {
		t.Errorf("%s lives %v", f.redis.HGet("ret:1", "a"), f.redis.TTL("ret:1"))
	}
	if err := f.store.AddMinions(context.Background(), "1", "syn", []string{"c"}); err != nil {
		t.Fatal(err)
	}
	f.export()
	if got := f.get("load:1"); !strings.HasSuffix(got, `"Minions": ["a", "b", "c"]}`) {
		t.Errorf("with a syndic's list: %s", got)
	}
}

func TestRefusedAndExpired(t *testing.T) {
	f := newFixture(t, time.Hour)
	if err := f.redis.Set("ret:1", "somebody else's"); err != nil {
		t.Fatal(err)
	}
	f.ret("1", "a", wire.NewMap("id", "a", "jid", "1", "return", true, "fun", "test.ping"))
	f.ret("2", "a", wire.NewMap("id", "a", "jid", "2", "return", true, "fun", "test.ping"))
	f.export()
	if st := f.exp.Stats(); st.Refused != 1 || st.Exported != 1 || st.Log.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	if f.redis.HGet("ret:2", "a") == "" {
		t.Error("what Redis refuses holds up what it takes")
	}
}

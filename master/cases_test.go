package master_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
)

// recorded is one request of the recordings and its reply.
type recorded struct {
	Enc     string          `json:"enc"`
	Version int             `json:"version"`
	JSON    json.RawMessage `json:"load"`
	Load    string          `json:"load_msgpack_b64"`
	Value   json.RawMessage `json:"reply"`
	Reply   string          `json:"reply_msgpack_b64"`
	Kind    string          `json:"reply_kind"`
}

// load is the recorded request without what belongs to one run: nonce, ts and proof.
func (r recorded) load(t *testing.T, minion *mastertest.Minion) *wire.Map {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(r.Load)
	if err != nil {
		t.Fatal(err)
	}
	load, err := wire.DecodeMap(raw, wire.Wire, wire.LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	load.Delete("nonce")
	load.Delete("ts")
	if load.Has("tok") && minion != nil {
		load.Set("tok", minion.Tok())
	}
	return load
}

func (r recorded) reply(t *testing.T) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(r.Reply)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// orderedCases reads the cases of a file in their order: they build on each other.
func orderedCases(t *testing.T, name string) (names []string, cases map[string]map[string]recorded) {
	t.Helper()
	var file struct {
		Cases json.RawMessage `json:"cases"`
	}
	readVectors(t, name, &file)
	if err := json.Unmarshal(file.Cases, &cases); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(file.Cases))
	for depth := 0; ; {
		tok, err := d.Token()
		if err != nil {
			break
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			continue
		}
		if s, ok := tok.(string); ok && depth == 1 {
			names = append(names, s)
		}
	}
	if len(names) != len(cases) || len(names) == 0 {
		t.Fatalf("%s: %d names, %d cases", name, len(names), len(cases))
	}
	return names, cases
}

// differs is a case whose answer is not the recorded one, and why.
type differs struct {
	why  string
	want string // our reply as text, with what is made anew cut out
	only string // release, "" for all
}

const (
	noFiles   = "no files are served"
	noRunners = "minions may run nothing while peer_run is not served"
	noPeer    = "minions may publish nothing while peer is not served"
	byID      = "targets by grain and pillar are not served"
	proven    = "stricter: an event or mine request must prove the id that it names (decision 3)"
)

// aesDiffers lists the encrypted cases that get another answer.
var aesDiffers = map[string]differs{
	"file_list":             {noFiles, `[]`, ""},
	"file_list_prefix":      {noFiles, `[]`, ""},
	"dir_list":              {noFiles, `[]`, ""},
	"emptydirs":             {noFiles, `[]`, ""},
	"symlinks":              {noFiles, `{}`, ""},
	"find":                  {noFiles, `{"path":"","rel":""}`, ""},
	"find_query":            {noFiles, `{"path":"","rel":""}`, ""},
	"hash":                  {noFiles, `""`, ""},
	"hashstat":              {noFiles, `["",null]`, ""},
	"serve":                 {noFiles, `{"data":"","dest":""}`, ""},
	"serve_eof":             {noFiles, `{"data":"","dest":""}`, ""},
	"serve_past":            {noFiles, `{"data":"","dest":""}`, ""},
	"serve_neg":             {noFiles, `{"data":"","dest":""}`, ""},
	"serve_gzip":            {noFiles, `{"data":"","dest":""}`, ""},
	"serve_gzip_eof":        {noFiles, `{"data":"","dest":""}`, ""},
	"serve_zero":            {noFiles, `{"data":"","dest":""}`, ""},
	"serve_bin":             {noFiles, `{"data":"","dest":""}`, ""},
	"recv":                  {"the recorded master had file_recv on", `false`, ""},
	"recv_append":           {"the recorded master had file_recv on", `false`, ""},
	"recv_dotdot":           {"a hole of 3006.10", `false`, "3006.10"},
	"runner_ok":             {noRunners, `{}`, ""},
	"runner_nosuch":         {noRunners, `{}`, ""},
	"runner_exc":            {noRunners, `{}`, ""},
	"pub":                   {noPeer, `{}`, ""},
	"pub_nodegroup":         {noPeer, `{}`, ""},
	"pub_multi":             {noPeer, `{}`, ""},
	"pub_none":              {noPeer, `{}`, ""},
	"publish":               {noPeer, `{}`, ""},
	"publish_full":          {noPeer, `{}`, ""},
	"pub_ret_bad":           {noPeer, `{}`, ""},
	"pillar":                {"no pillar is compiled", `{}`, ""},
	"pillar_ver1":           {"no pillar is compiled", `{}`, ""},
	"pillar_nograins":       {"the recording shows the handler's false, which travels as an empty map", `{}`, ""},
	"other_id":              {"no pillar is compiled, nor one for an id without a key", `{}`, ""},
	"mine_clear":            {"stock fails on an unset variable", `true`, ""},
	"mine_get_pillar_exact": {byID, `{}`, ""},
	"mine_get_compound":     {byID, `{}`, ""},
	"mine_get_compound2":    {byID, `{}`, ""},
	"return_dup":            {"stock fails and stores nothing, we answer and store nothing", `null`, ""},
	"handle_minion_event":   {"removed after 3006.10", `{}`, "3006.10"},
	"file_envs_id":          {"3006.10 fails on fields of level 3", `["base","dev"]`, ""},
	"return_other_id":       {"stricter: a return for an id without an accepted key (decision 3)", `refused`, "3006.10"},
	"minion_event_other":    {proven, `refused`, "3006.10"},
	"mine_noid":             {proven, `refused`, "3006.10"},
	"master_tops_noid":      {proven, `refused`, "3006.10"},
	"verify_minion":         {proven, `refused`, "3006.10"},
	"revoke_notok":          {proven, `refused`, "3006.10"},
}

// TestCases_encrypted sends every recorded single request and wants the recorded reply, byte for
// byte, or the answer of the table above.
func TestCases_encrypted(t *testing.T) {
	names, cases := orderedCases(t, "master-aes-cases.json")
	for release, level := range map[string]wire.Level{"3006.10": 2, "3007.8": 3, "3008": 3} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			id := map[string]string{"3006.10": "m6", "3007.8": "m7", "3008": "m8"}[release]
			m := mastertest.Start(t, func(c *config.Master) {
				c.MinimumAuthVersion = 2
				c.FileRoots = []config.Environment{{Name: "base"}, {Name: "dev"}}
				for _, g := range [][2]string{{"ng", "L@m6,m7,m8"}, {"gr", "G@role:web"}, {"nest", "N@gr and not nosuch*"}} {
					c.Nodegroups = append(c.Nodegroups, config.Nodegroup{Name: g[0], Expr: &config.Value{Data: g[1]}})
				}
			})
			minion := mastertest.SignedIn(t, m, id, level)
			ran := 0
			for _, name := range names {
				v, ok := cases[name][release]
				if !ok {
					continue
				}
				ran++
				t.Run(name, func(t *testing.T) { runAESCase(t, m, minion, release, name, v) })
			}
			if ran < 20 {
				t.Errorf("%d cases of %s", ran, release)
			}
		})
	}
}

func runAESCase(t *testing.T, m *mastertest.Running, minion *mastertest.Minion, release, name string, v recorded) {
	m.Accept(t, minion.ID) // some cases give the key up
	if _, err := os.Stat(filepath.Join(m.Config.CacheDir, "sessions", minion.ID)); err != nil || name == "after_revoke" {
		if minion.SignIn(t).Accept == nil {
			t.Fatal("sign-in refused")
		}
	}
	if name == "mine_get_compound" {
		minion.Do(t, wire.NewMap("cmd", "_mine", "id", minion.ID, "tok", minion.Tok(), "data", wire.NewMap("test.ping", true)))
	}
	load := v.load(t, minion)
	var got string
	var raw []byte
	switch {
	case v.Kind == "send_private":
		value, text := minion.Private(t, load)
		if got = text; text == "" {
			got = asJSON(value)
		} else if strings.Contains(text, "AES key not found") {
			got = "{}" // the plain answer to an id without a key
		}
	default:
		value, refusal := minion.Try(t, load)
		if refusal != "" {
			got = "refused"
			if refusal != "bad load" {
				t.Fatalf("refused with %q", refusal)
			}
			break
		}
		got = asJSON(value)
		var err error
		if raw, err = wire.Encode(value, wire.Wire); err != nil {
			t.Fatal(err)
		}
	}
	d, known := aesDiffers[name]
	if known && (d.only == "" || d.only == release) {
		if got != d.want {
			t.Errorf("reply %s, want %s: %s", got, d.want, d.why)
		}
		return
	}
	want := v.reply(t)
	if bytes.Equal(raw, want) {
		return
	}
	value, err := wire.Decode(want, wire.Wire, wire.LoadLimits)
	if err != nil {
		t.Fatal(err)
	}
	if got != asJSON(value) {
		t.Errorf("request %s\nreply %s\nwant  %s", asJSON(load), got, asJSON(value))
	}
}

// asJSON is a value as text with sorted keys, for comparison and messages.
func asJSON(v any) string {
	out, err := json.Marshal(plainValue(v))
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func plainValue(v any) any {
	switch v := v.(type) {
	case *wire.Map:
		out := map[string]any{}
		for k, e := range v.All() {
			out[fmt.Sprint(k)] = plainValue(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainValue(e)
		}
		return out
	case []byte:
		return "bytes:" + base64.StdEncoding.EncodeToString(v)
	case float64:
		return fmt.Sprintf("float:%v", v)
	default:
		return v
	}
}

// clearDiffers lists the clear cases that get another answer.
var clearDiffers = map[string]differs{
	"pub_acl_ok":                 {"publisher_acl is not served: no key of another user", authenticationError, ""},
	"pub_acl_denied":             {"publisher_acl is not served: no key of another user", authenticationError, ""},
	"pub_acl_rootuser_nobodykey": {"stricter: the key says who publishes (decision 3)", authenticationError, ""},
	"pub_grain":                  {byID, unresolved("role:web"), ""},
	"pub_pillar":                 {byID, unresolved("motd:welcome*"), ""},
	"pub_jid_again": {
		"a job id is published once (decision 8)",
		`{"enc":"clear","load":{"error":"Job id 20300101000000000001 was used before. Leave it out, and the master makes a new one","jid":null,"minions":[]}}`, "",
	},
	"pub_nodegroup":    {"stock's own client resolves node groups before it asks", unresolved("ng"), ""},
	"pub_eauth_amy":    {noLogins, authenticationError, ""},
	"pub_token_ok":     {noLogins, authenticationError, ""},
	"mk_ok":            {noLogins, `""`, ""},
	"gettok_ok":        {noLogins, `{}`, ""},
	"runner_eauth":     {noLogins, eauthError("bob"), ""},
	"runner_eauth_arg": {noLogins, eauthError("bob"), ""},
	"runner_badfun":    {noLogins, eauthError("bob"), ""},
	"wheel_eauth":      {noLogins, eauthError("bob"), ""},
	"wheel_key":        {"no wheel function is served over the port", `'key.list_all' is not available.`, ""},
	"wheel_nosuch":     {"the text of the error", `'key.zzz' is not available.`, ""},
}

const (
	noLogins            = "external_auth and login tokens are not served"
	authenticationError = `{"error":{"message":"Authentication error occurred.","name":"AuthenticationError"}}`
)

func unresolved(tgt string) string {
	return `{"enc":"clear","load":{"error":"Master could not resolve minions for target ` + tgt + `","jid":null,"minions":[]}}`
}

func eauthError(user string) string {
	return `{"error":{"message":"Authentication failure of type \"eauth\" occurred for user ` + user + `.","name":"EauthAuthenticationError"}}`
}

// TestCases_clear sends every recorded clear request, with this master's key in the place of the
// recorded one.
func TestCases_clear(t *testing.T) {
	names, cases := orderedCases(t, "master-clear-cases.json")
	for release, id := range map[string]string{"3006.10": "m6", "3008": "m8"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			m := mastertest.Start(t, func(c *config.Master) {
				c.PublisherACLBlacklist = config.ACLBlacklist{Users: []string{"mallory"}, Modules: []string{"network.*"}}
			})
			m.Accept(t, id)
			send := m.Clear(t)
			root := cases["pub_sudo"][release].load(t, nil).Str("key")
			for _, name := range names {
				v, ok := cases[name][release]
				if !ok {
					t.Errorf("no case %s of %s", name, release)
					continue
				}
				t.Run(name, func(t *testing.T) {
					load := v.load(t, nil)
					if load.Str("key") == root {
						load.Set("key", m.RootKey(t))
					}
					value := send(load)
					got := withoutJID(value)
					d, known := clearDiffers[name]
					if known && strings.HasPrefix(name, "wheel_") && strings.HasPrefix(d.want, "'") {
						if reply, ok := value.(*wire.Map); !ok || reply.Map("data").Str("return") != d.want || reply.Map("data").Bool("success") {
							t.Errorf("reply %s, want return %s: %s", got, d.want, d.why)
						}
						return
					}
					want := d.want
					if !known {
						recorded, err := wire.Decode(v.reply(t), wire.Wire, wire.LoadLimits)
						if err != nil {
							t.Fatal(err)
						}
						want = withoutJID(recorded)
					}
					if got != want {
						t.Errorf("request %s\nreply %s\nwant  %s", asJSON(load), got, want)
					}
				})
			}
		})
	}
}

// withoutJID is asJSON with a job id of this day's making replaced by its length.
func withoutJID(v any) string {
	var made []string
	var walk func(any)
	walk = func(v any) {
		if m, ok := v.(*wire.Map); ok {
			if id := m.Str("jid"); len(id) == 20 && !strings.HasPrefix(id, "2030") {
				made = append(made, id)
			}
			for _, e := range m.All() {
				walk(e)
			}
		}
	}
	walk(v)
	text := asJSON(v)
	slices.Sort(made)
	for _, id := range slices.Compact(made) {
		text = strings.ReplaceAll(text, id, "<jid>")
	}
	return text
}

package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestPillarRequest_vectors(t *testing.T) {
	loads, _ := wireLoads(t, CmdPillar)
	same := 0
	for _, l := range loads {
		r, err := ParsePillarRequest(l)
		if err != nil {
			continue // hand-made requests lack fields
		}
		if bytes.Equal(r.AppendLoad(nil, proofOf(t, l)), l) {
			same++
		}
	}
	t.Logf("%d of %d byte for byte", same, len(loads))
	if same < 20 {
		t.Errorf("only %d of %d byte for byte", same, len(loads))
	}
}

func TestPrivateReply_vectors(t *testing.T) {
	n := 0
	for _, name := range []string{"auth-aes-requests.json", "auth-aes-by-version.json"} {
		var v struct {
			Vectors []struct {
				Level   *int     `json:"envelope_version"`
				Reply   string   `json:"reply_hex"`
				ReplyF  []string `json:"reply_frames_hex"`
				Private string   `json:"reply_private_plaintext_hex"`
			} `json:"vectors"`
		}
		loadVectors(t, name, &v)
		for _, x := range v.Vectors {
			if x.Private == "" {
				continue
			}
			n++
			if x.Reply == "" {
				x.Reply = x.ReplyF[1]
			}
			body := unhex(t, x.Reply)
			r, err := ParsePrivateReply(body)
			if err != nil || !bytes.Equal(r.Append(nil), body) {
				t.Fatalf("%v", err)
			}
			payload, ok := SplitPlain(unhex(t, x.Private))
			if !ok {
				t.Fatal("no marker")
			}
			if x.Level == nil || *x.Level < 2 {
				continue
			}
			box, err := ParsePrivateBox(payload)
			if err != nil || !bytes.Equal(box.Append(nil), payload) {
				t.Fatalf("%v", err)
			}
			d, err := ParsePrivateData(box.Data)
			if err != nil || !bytes.Equal(d.Append(nil), box.Data) || !bytes.Equal(d.Key, r.Key) || d.Nonce == "" {
				t.Fatalf("%+v, %v", d, err)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d private replies", n)
	}
	for _, b := range [][]byte{BadLoad, NonceMissing, AESKeyNotFound, EmptyMap} {
		if _, err := ParsePrivateReply(b); !errors.Is(err, ErrReply) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

func TestMasterOpts_vectors(t *testing.T) {
	loads, replies := wireLoads(t, CmdMasterOpts)
	full := 0
	for i, l := range loads {
		m, err := DecodeMap(replies[i], Wire, LoadLimits)
		if err != nil {
			t.Fatal(err)
		}
		var envs []string
		for env := range m.Map("file_roots").All() {
			s, _ := env.(string)
			envs = append(envs, s)
		}
		o := DefaultMasterOpts(envs)
		o.NodeGroups = m.Map("nodegroups")
		scope := MasterOptsRequested(l)
		if scope == MasterOptsAll {
			full++
		}
		if got, err := o.Append(nil, scope); err != nil || !bytes.Equal(got, replies[i]) {
			t.Errorf("%x\nwant %x (%v)", got, replies[i], err)
		}
	}
	if full == 0 {
		t.Error("no full reply among the vectors")
	}
}

func TestFileReplies_vectors(t *testing.T) {
	none := map[string]Raw{
		CmdFileFind: FileFindNone, CmdFileHash: FileHashNone, CmdFileHashAndStat: FileHashAndStatNone,
		CmdServeFile: ServeFileNone, CmdFileList: FileListNone, CmdSymlinkList: SymlinkListNone,
		CmdFileRecv: FileRecvRefused,
	}
	for cmd, want := range none {
		_, replies := wireLoads(t, cmd)
		seen := false
		for _, r := range replies {
			seen = seen || bytes.Equal(r, want)
		}
		if !seen {
			t.Errorf("%s: no captured reply is %x", cmd, []byte(want))
		}
	}
}

func TestRefusals_clearCases(t *testing.T) {
	var f struct {
		Cases map[string]map[string]struct {
			Reply string `json:"reply_msgpack_b64"`
		} `json:"cases"`
	}
	loadVectors(t, "master-clear-cases.json", &f)
	want := map[string]Refusal{
		"pub_nokey": AuthenticationError, "pub_acl_denied": AuthorizationError, "runner_nokey": UserAuthenticationError,
		"runner_denied": EauthAuthenticationError("amy"), "runner_badfun": InvocationError, "mk_bad": EmptyStr,
		"gettok_missing": False, "gettok_bad": EmptyMap, "unknown": EmptyMap,
	}
	for name, w := range want {
		if len(f.Cases[name]) == 0 {
			t.Fatalf("no case %s", name)
		}
		for version, x := range f.Cases[name] {
			if got := unbase64(t, x.Reply); !bytes.Equal(got, w) {
				t.Errorf("%s %s: stock says %x, the table %s", name, version, got, w)
			}
		}
	}
}

func TestIDNotString_showsPythonNotation(t *testing.T) {
	for want, v := range map[string]any{
		`"bad load: id 5 is not a string"`:            int64(5),
		`'bad load: id None is not a string'`:         nil,
		`'bad load: id True is not a string'`:         true,
		`'bad load: id 1.5 is not a string'`:          1.5,
		`'bad load: id 1e+22 is not a string'`:        1e22,
		`"bad load: id [1, 'a'] is not a string"`:     []any{int64(1), "a"},
		`"bad load: id {'k': None} is not a string"`:  NewMap("k", nil),
		`"bad load: id b'\\xff\\n' is not a string"`:  []byte{0xff, '\n'},
		`'bad load: id 18446744073709551615 is not a`: uint64(1<<64 - 1),
	} {
		got := IDNotString(v).String()
		if trim := min(len(got), len(want)) - 1; got[1:trim] != want[1:trim] {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if r := IDNotString([]byte(bytes.Repeat([]byte{0xff}, 1<<20))); len(r) > 200 {
		t.Errorf("%d bytes", len(r))
	}
}

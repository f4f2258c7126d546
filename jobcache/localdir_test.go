package jobcache

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type localVectors struct {
	Jobs map[string]struct {
		JID   string
		Dir   string
		Files map[string]struct {
			Decoded json.RawMessage
			Text    string
			Packed  []byte `json:"msgpack_b64"`
		}
	}
}

func loadLocalVectors(t testing.TB) localVectors {
	t.Helper()
	b, err := os.ReadFile("../testdata/vectors/master-jobcache-local.json")
	if err != nil {
		t.Fatal(err)
	}
	var v localVectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Jobs) == 0 {
		t.Fatal("no vectors")
	}
	return v
}

// TestLocalDir_stockVectors: the files of each captured job, byte for byte, in the captured directory.
func TestLocalDir_stockVectors(t *testing.T) {
	for name, job := range loadLocalVectors(t).Jobs {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			d := LocalDir{Root: filepath.Join(root, "jobs")}
			var minions []string
			list, listed := job.Files[fileMinions]
			if listed {
				if err := json.Unmarshal(list.Decoded, &minions); err != nil {
					t.Fatal(err)
				}
			}
			load := job.Files[fileLoad].Packed
			if len(load) == 0 {
				t.Fatal("vector without a load")
			}
			if err := d.SaveLoad(job.JID, load, minions); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(root, filepath.FromSlash(job.Dir))
			want := map[string]string{fileJID: job.Files[fileJID].Text, fileLoad: string(load)}
			if listed {
				want[fileMinions] = string(list.Packed)
			}
			if diff := cmp.Diff(want, readFiles(t, dir)); diff != "" {
				t.Error(diff)
			}
			got, err := d.Minions(job.JID)
			if err != nil || !cmp.Equal(got, minions) {
				t.Errorf("Minions: %v %v, want %v", got, err, minions)
			}
			back, ok, err := d.Load(job.JID)
			if err != nil || !ok || string(back) != string(load) {
				t.Errorf("Load: %v %v", ok, err)
			}
		})
	}
}

// readFiles returns the plain files of one directory.
func readFiles(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func TestLocalDir_markersAndSyndics(t *testing.T) {
	d := LocalDir{Root: t.TempDir()}
	for _, step := range []error{
		d.AddMinions(testJID, "syn1", []string{"s2", "m1"}),
		d.AddMinions(testJID, "syn1", []string{"s1", "m1"}),
		d.SaveLoad(testJID, []byte("\x80"), []string{"m1", "m0"}),
		d.MarkNoCache(testJID),
		d.Prepare("other"),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	dir, err := d.Dir(testJID)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		fileJID: testJID, fileNoCache: "", fileLoad: "\x80",
		fileMinions: "\x92\xa2m1\xa2m0", ".minions.syn1.p": "\x92\xa2s1\xa2m1",
	}
	if diff := cmp.Diff(want, readFiles(t, dir)); diff != "" {
		t.Error(diff)
	}
	got, err := d.Minions(testJID)
	if diff := cmp.Diff([]string{"m0", "m1", "s1"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	other, err := d.Dir("other")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{fileJID: "other"}, readFiles(t, other)); diff != "" {
		t.Error(diff)
	}
	if got, err := d.Minions("unknown"); got != nil || err != nil {
		t.Errorf("unknown job: %v %v", got, err)
	}
	if _, ok, err := d.Load("unknown"); ok || err != nil {
		t.Errorf("unknown job: %v %v", ok, err)
	}
}

func TestLocalDir_modes(t *testing.T) {
	for name, c := range map[string]struct {
		d         LocalDir
		dir, file fs.FileMode
	}{
		"default":  {LocalDir{}, 0o700, 0o600},
		"as stock": {LocalDir{DirMode: 0o755, FileMode: 0o644}, 0o755, 0o644},
	} {
		t.Run(name, func(t *testing.T) {
			c.d.Root = filepath.Join(t.TempDir(), "jobs")
			if err := c.d.SaveLoad(testJID, nil, []string{}); err != nil {
				t.Fatal(err)
			}
			dir, err := c.d.Dir(testJID)
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]fs.FileMode{
				dir: c.dir | fs.ModeDir, filepath.Dir(dir): c.dir | fs.ModeDir,
				filepath.Join(dir, fileLoad): c.file, filepath.Join(dir, fileMinions): c.file, filepath.Join(dir, fileJID): c.file,
			} {
				info, err := os.Stat(path)
				if err != nil || info.Mode() != want {
					t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
				}
			}
		})
	}
}

func TestLocalDir_hashTypes(t *testing.T) {
	for hashType, want := range map[string]string{
		"":       "8e/7f86c9b97bfc0b6f05ded0a82a93299dca00c66a",
		"sha256": "8e/7f86c9b97bfc0b6f05ded0a82a93299dca00c66a",
		"MD5":    "", "sha1": "", "sha224": "", "sha384": "", "sha512": "",
	} {
		got, err := LocalDir{Root: "r", HashType: hashType}.Dir("20200101000000000000")
		if err != nil || !strings.HasPrefix(got, "r/"+want) || len(got) < len("r/xx/")+30 {
			t.Errorf("%q: %q %v", hashType, got, err)
		}
	}
	if _, err := (LocalDir{HashType: "crc32"}).Dir("x"); !errors.Is(err, ErrHashType) {
		t.Errorf("crc32: %v", err)
	}
}

func TestLocalDir_refusesNamesThatLeaveTheDirectory(t *testing.T) {
	root := t.TempDir()
	d := LocalDir{Root: filepath.Join(root, "jobs")}
	for _, id := range []string{"", ".", "..", "../x", "a/b", `a\b`, "a\x00", strings.Repeat("x", 250)} {
		if err := d.AddMinions(testJID, id, []string{"m"}); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if err := d.Prepare(""); !errors.Is(err, ErrJID) {
		t.Errorf("empty jid: %v", err)
	}
	if err := d.Prepare("../../etc"); err != nil { // only ever hashed
		t.Error(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
}

func TestRawList(t *testing.T) {
	many := make([]string, 20)
	for i := range many {
		many[i] = minionName(i)
	}
	big := make([]string, 70000)
	for name, c := range map[string]struct {
		list   []string
		prefix string
	}{
		"empty": {[]string{}, "\x90"}, "fix": {[]string{"a"}, "\x91\xa1a"}, "16 bits": {many, "\xdc\x00\x14\xac"},
		"32 bits": {big, "\xdd\x00\x01\x11\x70\xa0"}, "raw16": {[]string{strings.Repeat("x", 32)}, "\x91\xda\x00\x20x"},
		"raw32": {[]string{strings.Repeat("x", 70000)}, "\x91\xdb\x00\x01\x11\x70x"},
	} {
		t.Run(name, func(t *testing.T) {
			b := appendRawList(nil, c.list)
			if !strings.HasPrefix(string(b), c.prefix) {
				t.Errorf("starts %q", b[:min(len(b), 8)])
			}
			got, err := parseRawList(b)
			if err != nil || !cmp.Equal(got, c.list) {
				t.Errorf("back: %d of %d, %v", len(got), len(c.list), err)
			}
		})
	}
	for _, other := range []string{"\x91\xd9\x01a", "\x91\xc4\x01a", "\xdc\x00\x01\xa1a", "\xdd\x00\x00\x00\x01\xdb\x00\x00\x00\x01a"} {
		if got, err := parseRawList([]byte(other)); err != nil || len(got) != 1 || got[0] != "a" {
			t.Errorf("%q: %v %v", other, got, err)
		}
	}
	for _, bad := range []string{"", "\x91", "\xdd\xff\xff\xff\xff", "\x91\x01", "\x90\x90", "\x91\xa2a", "\xa1a", "\x91\xdb\xff\xff\xff\xff"} {
		if got, err := parseRawList([]byte(bad)); !errors.Is(err, ErrRecord) {
			t.Errorf("%q: %v %v", bad, got, err)
		}
	}
}

// makeTree makes files (content = text after "=") and directories (names ending in "/").
func makeTree(t testing.TB, root string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		name, content, _ := strings.Cut(p, "=")
		full := filepath.Join(root, name)
		dir := filepath.Dir(full)
		if strings.HasSuffix(name, "/") {
			dir = full
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func listTree(t testing.TB, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if e.IsDir() {
			rel += "/"
		}
		paths = append(paths, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestLocalDir_expire(t *testing.T) {
	job := "ab/" + strings.Repeat("0", 62)
	cases := []struct {
		name    string
		tree    []string
		after   time.Duration // since the files were made
		left    []string      // nil: everything stays
		removed int
	}{
		{"young", []string{job + "/jid=x", job + "/.load.p=x"}, 23 * time.Hour, nil, 0},
		{"old, with all that stock writes", []string{
			job + "/jid=x", job + "/.load.p=x", job + "/.minions.p", job + "/.minions.syn.p", job + "/endtime", job + "/nocache",
			job + "/m1/return.p", job + "/m1/out.p", job + "/m2/return.p", job + "/" + prefixTemp + "123",
		}, 25 * time.Hour, []string{}, 1},
		{"directory in the making", []string{job + "/.minions.syn.p"}, time.Hour, nil, 0},
		{"old without jid", []string{job + "/.minions.syn.p"}, 25 * time.Hour, []string{}, 1},
		{"foreign file in a job", []string{job + "/jid=x", job + "/notes.txt=x", job + "/.load.p=x"}, 25 * time.Hour, nil, 0},
		{"foreign file in a minion's directory", []string{job + "/jid=x", job + "/m1/notes.txt", job + "/m1/return.p"}, 25 * time.Hour, nil, 0},
		{"not a job", []string{"README=x", "roots/a/jid=x", "ab/file=x", "ab/sub/jid=x", "AB/" + strings.Repeat("0", 62) + "/jid=x", "abc/00/jid=x"}, 1e4 * time.Hour, nil, 0},
		{"empty two-letter directory", []string{"ab/", "cd/x/"}, 25 * time.Hour, []string{"cd/", "cd/x/"}, 0},
		{"young empty two-letter directory", []string{"ab/"}, time.Hour, nil, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := LocalDir{Root: t.TempDir()}
			makeTree(t, d.Root, c.tree...)
			before := listTree(t, d.Root)
			n, err := d.Expire(time.Now().Add(c.after), 24*time.Hour)
			if err != nil || n != c.removed {
				t.Errorf("removed %d, %v; want %d", n, err, c.removed)
			}
			want := c.left
			if want == nil {
				want = before
			}
			if diff := cmp.Diff(want, append([]string{}, listTree(t, d.Root)...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLocalDir_expireKeepsLinksAndZeroKeep(t *testing.T) {
	outside := t.TempDir()
	makeTree(t, outside, "jid=x", ".load.p=x")
	d := LocalDir{Root: t.TempDir()}
	makeTree(t, d.Root, "ab/", "cd/"+strings.Repeat("1", 62)+"/jid=x")
	linked := filepath.Join(d.Root, "ab", strings.Repeat("0", 62))
	if err := os.Symlink(outside, linked); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(d.Root, "cd", strings.Repeat("1", 62), "m1")); err != nil {
		t.Fatal(err)
	}
	before := listTree(t, d.Root)
	for _, keep := range []time.Duration{0, time.Hour} {
		if n, err := d.Expire(time.Now().Add(1e4*time.Hour), keep); n != 0 || err != nil {
			t.Errorf("keep %v: %d %v", keep, n, err)
		}
	}
	if diff := cmp.Diff(before, listTree(t, d.Root)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{".load.p", "jid"}, listTree(t, outside)); diff != "" {
		t.Error(diff)
	}
	if n, err := (LocalDir{Root: filepath.Join(outside, "nowhere")}).Expire(time.Now(), time.Hour); n != 0 || err != nil {
		t.Errorf("missing root: %d %v", n, err)
	}
}

func FuzzParseRawList(f *testing.F) {
	for _, job := range loadLocalVectors(f).Jobs {
		f.Add(job.Files[fileMinions].Packed)
	}
	seed, err := base64.StdEncoding.DecodeString("kaJtOA==")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseRawList(b)
		if err != nil {
			return
		}
		again, err := parseRawList(appendRawList(nil, list))
		if err != nil || !cmp.Equal(list, again) {
			t.Errorf("changes: %v", err)
		}
	})
}

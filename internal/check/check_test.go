package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/pki"
)

// host is a configuration directory with everything below it.
type host struct{ dir string }

func newHost(t *testing.T, master, minion string) host {
	t.Helper()
	dir, err := os.MkdirTemp("", "chk") // short: socket paths below it are checked
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := host{dir}
	h.write(t, "master", "root_dir: "+dir+"\nuser: "+currentUser()+"\ninterface: 127.0.0.1\npublish_port: 0\nret_port: 0\nid: vm_master\n"+master, 0o640)
	h.write(t, "minion", "root_dir: "+dir+"\nid: syn1\n"+minion, 0o640)
	return h
}

func currentUser() string { return strconv.Itoa(os.Getuid()) }

func (h host) write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

func (h host) run(t *testing.T, change func(*Options)) *Report {
	t.Helper()
	o := Options{
		Load:    config.LoadOptions{ConfigDir: h.dir, Env: func(string) (string, bool) { return "", false }, Hostname: func() string { return "vm" }},
		Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	return Run(t.Context(), o)
}

func quick(o *Options) { o.Quick = true }

// lines prints findings as "level area where option: what → hint", the directory as DIR.
func (h host) lines(r *Report) []string {
	var all []string
	for _, f := range r.Findings {
		s := fmt.Sprintf("%s %s %s %s: %s → %s", f.Level, f.Area, f.Where, f.Option, f.What, f.Hint)
		all = append(all, strings.ReplaceAll(s, h.dir, "DIR"))
	}
	return all
}

// expect wants exactly one finding that holds all the parts of each entry, separated by "…".
func (h host) expect(t *testing.T, r *Report, wants ...string) {
	t.Helper()
	all := h.lines(r)
	for _, want := range wants {
		n := 0
		for _, line := range all {
			rest, found := line, true
			for part := range strings.SplitSeq(want, "…") {
				i := strings.Index(rest, part)
				if i < 0 {
					found = false
					break
				}
				rest = rest[i+len(part):]
			}
			if found {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d findings match %q, want 1", n, want)
		}
	}
	if t.Failed() {
		t.Log("\n" + strings.Join(all, "\n"))
	}
}

func (h host) reject(t *testing.T, r *Report, parts ...string) {
	t.Helper()
	for _, line := range h.lines(r) {
		for _, part := range parts {
			if strings.Contains(line, part) {
				t.Errorf("%q in %s", part, line)
			}
		}
	}
}

func TestConfigurationFindings(t *testing.T) {
	h := newHost(t, "publsh_port: 1\nkey_pass: hunter2\nret_prt: 5\nreactor: []\nfips_mode: true\ncluster_id: x\nexternal_auth: {pam: {a: [b]}}\n", "")
	h.write(t, "master.d/a.conf", "timeout: [\n", 0o640)
	h.write(t, "master.d/b.conf", "ssh_passwd: hunter2\n", 0o644)
	r := h.run(t, quick)
	h.expect(t, r,
		"warning config DIR/master:7 publsh_port: no such option…did you mean publish_port? ${EDITOR:-vi} +7 DIR/master",
		"warning config DIR/master:9 ret_prt…did you mean ret_port?",
		"note config DIR/master:10 reactor",
		"warning config DIR/master:11 fips_mode",
		"fault config DIR/master:12 cluster_id",
		"fault config DIR/master:13 external_auth",
		"fault config DIR/master.d/a.conf:…cannot be read",
		"warning files DIR/master.d/b.conf ssh_passwd: everybody on this host can read the secret (mode 0644) → chmod o-rwx",
	)
	h.reject(t, r, "hunter2", "files DIR/master key_pass")
	if r.Status(false) != ExitFaults {
		t.Errorf("status %d", r.Status(false))
	}
}

func TestStatus(t *testing.T) {
	for _, tc := range []struct {
		levels       []Level
		plain, stern int
	}{{nil, 0, 0}, {[]Level{OK, Note}, 0, 0}, {[]Level{Warning}, 0, 2}, {[]Level{Warning, Fault}, 1, 1}} {
		r := &Report{}
		for _, l := range tc.levels {
			r.Findings = append(r.Findings, Finding{Level: l})
		}
		if r.Status(false) != tc.plain || r.Status(true) != tc.stern {
			t.Errorf("%v: %d and %d, want %d and %d", tc.levels, r.Status(false), r.Status(true), tc.plain, tc.stern)
		}
	}
}

func TestOutput(t *testing.T) {
	r := &Report{Findings: []Finding{
		{Level: Fault, Area: AreaConfig, Option: "user", What: "wrong", Where: "/m:1", Hint: "do"},
		{Level: OK, Area: AreaClock, What: "fine"},
	}}
	var text, short, js bytes.Buffer
	if err := r.WriteText(&text, false); err != nil {
		t.Fatal(err)
	}
	const want = "config\n  fault    /m:1: user: wrong\n           → do\n\nclock\n  ok       fine\n\n1 fault, 0 warnings, 0 notes\n"
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
	if err := r.WriteText(&short, true); err != nil || strings.Contains(short.String(), "clock") {
		t.Errorf("quiet: %v\n%s", err, short.String())
	}
	if err := r.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Faults   int
		Findings []struct{ Level, Area, Where string }
	}
	if err := json.Unmarshal(js.Bytes(), &back); err != nil || back.Faults != 1 || len(back.Findings) != 2 || back.Findings[0].Level != "fault" {
		t.Errorf("%v %+v", err, back)
	}
}

func TestModes(t *testing.T) {
	h := newHost(t, "autosign_file: /auto\nsyndic_master: localhost\n", "")
	h.write(t, "etc/salt/pki/master/minions/m1", "x", 0o644)
	h.write(t, "etc/salt/pki/master/stray.pem", "x", 0o644)
	h.write(t, "var/cache/salt/master/."+currentUser()+"_key", "x", 0o644)
	h.write(t, "auto", "*", 0o666)
	if err := os.Chmod(filepath.Join(h.dir, "etc/salt/pki/master/minions"), 0o777); err != nil {
		t.Fatal(err)
	}
	h.expect(t, h.run(t, quick),
		"warning files DIR/etc/salt/pki/master/stray.pem : mode 0644 lets others in…chmod 400 DIR/etc/salt/pki/master/stray.pem",
		"warning files DIR/etc/salt/pki/master/minions : mode 0777…chmod 755",
		"warning files DIR/var/cache/salt/master/."+currentUser()+"_key : mode 0644…chmod 600",
		"warning files DIR/auto autosign_file: mode 0666",
	)
}

// writeKeys makes a master pair (and signing pair, and signature) as a master would.
func (h host) writeKeys(t *testing.T, signed bool) *pki.PrivateKey {
	t.Helper()
	key, err := pki.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	dir := "etc/salt/pki/master/"
	h.write(t, dir+"master.pem", string(key.PEM()), 0o400)
	h.write(t, dir+"master.pub", string(key.Public().PEM()), 0o644)
	if signed {
		sign, err := pki.GenerateKey(2048)
		if err != nil {
			t.Fatal(err)
		}
		text, err := pki.Presign(sign, key.Public(), pki.PKCS1v15SHA1)
		if err != nil {
			t.Fatal(err)
		}
		h.write(t, dir+"master_sign.pub", string(sign.Public().PEM()), 0o644)
		h.write(t, dir+"master_pubkey_signature", text, 0o644)
	}
	return key
}

func TestKeys(t *testing.T) {
	signedOptions := "master_sign_pubkey: true\nmaster_use_pubkey_signature: true\n"
	t.Run("good", func(t *testing.T) {
		h := newHost(t, signedOptions, "master: localhost\n")
		key := h.writeKeys(t, true)
		h.write(t, "etc/salt/pki/minion/minion_master.pub", string(key.Public().PEM()), 0o644)
		r := h.run(t, quick)
		h.expect(t, r, "ok keys DIR/etc/salt/pki/master/master.pem : RSA, 2048 bits", "ok keys…the prepared signature fits", "ok keys…the minion of this host knows this master")
		if r.Status(false) != ExitGood {
			t.Error(h.lines(r))
		}
	})
	t.Run("none yet", func(t *testing.T) {
		h := newHost(t, "syndic_master: localhost\n", "")
		r := h.run(t, quick)
		h.expect(t, r, "note keys DIR/etc/salt/pki/master/master.pem", "note keys DIR/etc/salt/pki/minion/minion.pem…there: salt-key -a syn1")
		if _, err := os.Stat(filepath.Join(h.dir, "etc")); err == nil {
			t.Error("the check made something")
		}
	})
	t.Run("other public key, signature and pin", func(t *testing.T) {
		h := newHost(t, signedOptions, "master: localhost\n")
		h.writeKeys(t, true)
		other := h.writeKeys(t, false) // the signature is the first pair's now
		h.write(t, "etc/salt/pki/minion/minion_master.pub", string(other.Public().PEM()), 0o644)
		h.expect(t, h.run(t, quick), "fault keys…master_use_pubkey_signature: prepared public key signature")
		third := h.writeKeys(t, true)
		h.expect(t, h.run(t, quick), "warning keys DIR/etc/salt/pki/minion/minion_master.pub : the minion of this host knows another master key")
		h.write(t, "etc/salt/pki/master/master.pub", string(other.Public().PEM()), 0o644)
		h.expect(t, h.run(t, quick), "fault keys DIR/etc/salt/pki/master/master.pub : is not the public half")
		_ = third
	})
	t.Run("broken", func(t *testing.T) {
		h := newHost(t, "", "")
		h.write(t, "etc/salt/pki/master/master.pem", "-----BEGIN RSA PRIVATE KEY-----\nQUJD\n-----END RSA PRIVATE KEY-----\n", 0o400)
		h.write(t, "etc/salt/pki/master/minions/good", mustPEM(t), 0o644)
		h.write(t, "etc/salt/pki/master/minions/bad", "nothing", 0o644)
		h.expect(t, h.run(t, nil), "fault keys DIR/etc/salt/pki/master/master.pem : is no usable private key", "warning keys…1 of 2 accepted keys cannot be used: bad")
	})
	t.Run("passphrase", func(t *testing.T) {
		h := newHost(t, "key_pass: wrong-one\n", "")
		key, err := pki.GenerateKey(2048)
		if err != nil {
			t.Fatal(err)
		}
		text, err := key.EncryptedPEM([]byte("right-one"))
		if err != nil {
			t.Fatal(err)
		}
		h.write(t, "etc/salt/pki/master/master.pem", string(text), 0o400)
		r := h.run(t, quick)
		h.expect(t, r, "fault keys…key_pass: the passphrase is missing or wrong")
		h.reject(t, r, "wrong-one")
	})
}

func mustPEM(t *testing.T) string {
	t.Helper()
	key, err := pki.GenerateKey(1024)
	if err != nil {
		t.Fatal(err)
	}
	return string(key.Public().PEM())
}

func TestPorts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	h := newHost(t, "", "")
	h.write(t, "master.d/p.conf", fmt.Sprintf("publish_port: %d\n", port), 0o640)
	h.expect(t, h.run(t, quick), fmt.Sprintf("fault ports 127.0.0.1:%d publish_port: is taken by process %d…ss -ltnp", port, os.Getpid()), "ok ports 127.0.0.1:0 : ret_port is free")
}

func TestClock(t *testing.T) {
	h := newHost(t, "", "")
	r := h.run(t, func(o *Options) {
		o.Quick = true
		o.Now = func() time.Time { return time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC) }
	})
	h.expect(t, r, "fault clock…the clock says 1970-01-01")
}

func TestForwarders(t *testing.T) {
	h := newHost(t, "", "")
	h.write(t, "broker", "master: localhost\nfail_back: 1\nsaltern_requests_maxx: 2\n", 0o640)
	h.write(t, "relay", "nonsense_option: 1\n", 0o640)
	r := h.run(t, quick)
	h.expect(t, r, "warning config DIR/broker:3 saltern_requests_maxx…did you mean saltern_requests_max?", "warning config DIR/relay:1 nonsense_option", "ok config…master file")
	alone := h.run(t, func(o *Options) { o.Quick, o.Roles = true, []string{RoleBroker} })
	h.expect(t, alone, "ok config…broker file: read DIR/broker")
	h.reject(t, alone, "master file", "DIR/relay")
}

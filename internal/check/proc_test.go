package check

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// fakeProc builds a /proc with processes that listen.
type fakeProc struct {
	t   *testing.T
	dir string
}

func newFakeProc(t *testing.T) fakeProc {
	t.Helper()
	p := fakeProc{t, t.TempDir()}
	p.file("net/tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	p.file("sys/net/core/somaxconn", "128\n")
	return p
}

func (p fakeProc) file(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// process adds a process; socket is the inode it listens on, at 127.0.0.1 and the port in hexadecimal.
func (p fakeProc) process(pid int, exe, cmdline, socket, port string) {
	p.t.Helper()
	dir := strconv.Itoa(pid)
	p.file(dir+"/cmdline", cmdline)
	p.file(dir+"/limits", "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 4096                 files     \n")
	for link, target := range map[string]string{"exe": exe, "fd/7": "socket:[" + socket + "]"} {
		path := filepath.Join(p.dir, dir, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			p.t.Fatal(err)
		}
	}
	if port != "" {
		p.file("net/tcp", "   0: 0100007F:"+port+" 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "+socket+" 1 0000 100 0 0 10 0\n")
	}
}

func TestRunningDaemons(t *testing.T) {
	const config = "publish_port: 4505\nret_port: 4506\nsyndic_master: localhost\nmax_open_files: 5000\n"
	for _, tc := range []struct {
		name string
		make func(p fakeProc, h host)
		want []string
	}{
		{"nothing", func(fakeProc, host) {}, []string{"ok ports 127.0.0.1:4505 : publish_port is free", "warning limits…zmq_backlog: the kernel queues 128…sysctl -w net.core.somaxconn=1000"}},
		{"saltern's", func(p fakeProc, h host) {
			p.process(40, "/usr/bin/saltern", "/usr/lib/saltern/bin/salt-master\x00-c\x00"+h.dir+"\x00", "100", "1199")
			p.process(41, "/usr/bin/saltern", "saltern\x00syndic\x00--config-dir="+h.dir+"\x00", "101", "")
		}, []string{"ok daemons…saltern's salt-master runs, pid 40", "ok daemons…saltern's salt-syndic runs, pid 41", "ok ports 127.0.0.1:4505 : publish_port is served by saltern's master, pid 40", "ok ports 127.0.0.1:4506 : ret_port is free"}},
		{"stock", func(p fakeProc, h host) {
			p.process(50, "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/salt-master -c "+h.dir+" MainProcess\x00", "100", "119A")
			p.process(51, "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/salt-master -c "+h.dir+" ReqServer MWorker-1\x00", "100", "")
		}, []string{"warning daemons…stock salt-master runs, pid 50…hand over: systemctl stop salt-master", "ok ports 127.0.0.1:4506 : ret_port is served by stock master, pid 50"}},
		{"both", func(p fakeProc, h host) {
			p.process(50, "/usr/bin/python3.11", "/usr/bin/python3\x00/usr/bin/salt-syndic\x00-c\x00"+h.dir+"\x00", "100", "")
			p.process(60, "/usr/bin/saltern", "saltern\x00syndic\x00-c"+h.dir+"\x00", "101", "")
		}, []string{"fault daemons…a stock and a saltern syndic run on the same configuration"}},
		{"another configuration", func(p fakeProc, _ host) {
			p.process(50, "/usr/bin/python3.11", "/usr/bin/python3\x00/usr/bin/salt-master\x00-c\x00/elsewhere\x00", "100", "1199")
		}, []string{"fault ports 127.0.0.1:4505 publish_port: is taken by process 50"}},
		{"a stranger", func(p fakeProc, _ host) {
			p.process(70, "/usr/sbin/nginx", "nginx: master process\x00", "100", "119A")
		}, []string{"fault ports 127.0.0.1:4506 ret_port: is taken by process 70 (nginx: master process)…ss -ltnp 'sport = :4506'"}},
		{"pid file of another program", func(p fakeProc, h host) {
			p.process(70, "/usr/sbin/nginx", "nginx\x00", "100", "")
			h.write(p.t, "var/run/salt-master.pid", "70", 0o644)
			h.write(p.t, "var/run/salt-syndic.pid", "71", 0o644)
		}, []string{"note daemons DIR/var/run/salt-master.pid : names process 70, which is no salt-master", "note daemons DIR/var/run/salt-syndic.pid : names a process that is gone"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost(t, "", "")
			h.write(t, "master.d/c.conf", config, 0o640)
			p := newFakeProc(t)
			tc.make(p, h)
			r := h.run(t, func(o *Options) { o.Quick, o.Proc = true, p.dir })
			h.expect(t, r, tc.want...)
		})
	}
}

func TestOpenFileLimit(t *testing.T) {
	h := newHost(t, "", "")
	for i := range 600 {
		h.write(t, "etc/salt/pki/master/minions/m"+strconv.Itoa(i), "", 0o644)
	}
	p := newFakeProc(t)
	p.process(40, "/usr/bin/saltern", "saltern\x00master\x00-c\x00"+h.dir+"\x00", "100", "")
	h.write(t, "var/run/salt-master.pid", "40", 0o644)
	h.expect(t, h.run(t, func(o *Options) { o.Proc = p.dir }),
		"warning limits…max_open_files: 600 accepted minions and 0 syndics need about 1456 open files, the limit is 1024 (of the running master, pid 40)…LimitNOFILE=")
}

func TestProcAddr(t *testing.T) {
	if !hostIsLittle {
		t.Skip("the samples are of a little-endian host")
	}
	for in, want := range map[string]string{
		"0100007F:1199": "127.0.0.1:4505", "00000000000000000000000001000000:119A": "[::1]:4506", "00000000:0016": "0.0.0.0:22",
		"0000000000000000FFFF00000100007F:1199": "127.0.0.1:4505", "xyz:1": "", "01:1": "", "0100007F": "", "0100007F:zz": "",
	} {
		got, ok := procAddr(in)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v %v, want %q", in, got, ok, want)
		}
	}
}

package logfmt

import (
	"bufio"
	"net"
	"path/filepath"
	"testing"
	"time"
)

func syslogConfig(address string) Config {
	return Config{Level: "debug", File: address, FileFormat: "%(levelname)s %(message)s"}
}

func TestSyslogDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	local, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, tc := range []struct {
		address, want string
		from          net.PacketConn
	}{{"file://" + path, "<12>WARNING Disk fills percent=91", local}, {"udp://" + udp.LocalAddr().String() + "/LOG_DAEMON", "<28>WARNING Disk fills percent=91", udp}} {
		log, sink, err := New(syslogConfig(tc.address))
		if err != nil {
			t.Fatal(err)
		}
		log.Warn("Disk fills", "percent", 91)
		if err := tc.from.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1024)
		n, _, err := tc.from.ReadFrom(b)
		if err != nil || string(b[:n]) != tc.want {
			t.Errorf("%s: got %q, %v; want %q", tc.address, b[:n], err, tc.want)
		}
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSyslogStream(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	log, sink, err := New(syslogConfig("tcp://" + ln.Addr().String() + "/LOG_LOCAL7"))
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	log.Error("Lost")
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || line != "<187>ERROR Lost\n" {
		t.Errorf("%q %v", line, err)
	}
}

func TestSyslogAway(t *testing.T) {
	log, sink, err := New(syslogConfig("file://" + filepath.Join(t.TempDir(), "nobody")))
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	log.Info("one")
	log.Info("two")
	if sink.Lost() != 2 {
		t.Errorf("lost %d, want 2", sink.Lost())
	}
}

func TestSyslogAddresses(t *testing.T) {
	for _, bad := range []string{"udp://", "file://", "tcp:///LOG_DAEMON", "udp://h/LOG_NOPE", "udp://h/x", "file://host/dev/log"} {
		if _, err := openSyslog(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	s, err := openSyslog("udp://collector.example.org")
	if err != nil || s.addr != "collector.example.org:514" {
		t.Errorf("%v %v", s, err)
	}
}

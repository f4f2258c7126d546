package zmtp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestHandshake_bytes(t *testing.T) {
	for _, tc := range []struct {
		name      string
		role      Role
		say, hear []string // in turns
		peer      string
		version   int
		identity  string
	}{
		{"3.1 REQ at once", RoleRouter, []string{greeting31 + " " + readyREQ}, []string{greeting31 + " " + readyROUTER}, "REQ", 3, ""},
		{
			"3.0 DEALER piece by piece", RoleRouter,
			[]string{signature, "03", greeting30[len(signature)+3:], readyDEALER[:20], readyDEALER[20:]},
			[]string{signature + " 03", greeting31[len(signature)+3:], readyROUTER, "", ""},
			"DEALER", 3, "",
		},
		{
			"3.1 SUB, unknown and lower-case properties", RolePub,
			[]string{greeting31 + ` 04 2f 05 "READY" 01 "x" 00000001 "y" 0b "socket-type" 00000003 "SUB" 08 "identity" 00000002 "me"`},
			[]string{greeting31 + " " + readyPUB},
			"SUB", 3, "me",
		},
		{"2.0 REQ of libzmq 3.2", RoleRouter, []string{signature, "01 03", "00 00"}, []string{signature + " 03", "06 00 00", ""}, "REQ", 2, ""},
		{"2.0 SUB with an identity", RolePub, []string{signature + ` 01 02 00 02 "me"`}, []string{signature + " 03 01 00 00"}, "SUB", 2, "me"},
		{"XPUB", RoleXPub, []string{greeting31 + " " + readySUB}, []string{greeting31 + " " + readyXPUB}, "SUB", 3, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRecorder()
			p := dialRaw(t, listen(t, Config{Role: tc.role, Handler: r}))
			for i, say := range tc.say {
				p.say(say)
				p.hear(tc.hear[i])
			}
			c := r.conn(t, 0)
			if c.PeerType() != tc.peer || c.PeerVersion() != tc.version || string(c.PeerIdentity()) != tc.identity {
				t.Errorf("peer %s, version %d, identity %q", c.PeerType(), c.PeerVersion(), c.PeerIdentity())
			}
			if c.PeerIP() != "127.0.0.1" {
				t.Errorf("address %q", c.PeerIP())
			}
			p.Close()
			if err := r.end(t, 0); !errors.Is(err, io.EOF) {
				t.Errorf("end: %v", err)
			}
		})
	}
}

func TestHandshake_refused(t *testing.T) {
	long := strings.Repeat("00", maxIdentity+1)
	for name, wire := range map[string]string{
		"http":             `"GET"`,
		"no signature end": `ff 000000000000000000 03`,
		"ZMTP 1.0":         signature + " 00",
		"CURVE":            strings.Replace(greeting31, `"NULL"`, `"CURV"`, 1),
		"wrong type":       greeting31 + " " + readySUB,
		"unknown type":     greeting31 + ` 04 19 05 "READY" 0b "Socket-Type" 00000003 "ABC"`,
		"no type":          greeting31 + ` 04 06 05 "READY"`,
		"short property":   greeting31 + ` 04 09 05 "READY" 0b "So"`,
		"long value":       greeting31 + ` 04 19 05 "READY" 0b "Socket-Type" ffffffff "REQ"`,
		"long identity":    greeting31 + ` 06 0000000000000113 05 "READY" 08 "Identity" 00000100` + long,
		"ERROR":            greeting31 + ` 04 08 05 "ERROR" 01 "x"`,
		"message first":    greeting31 + ` 00 01 "x"`,
		"no command name":  greeting31 + ` 04 00`,
		"huge READY":       greeting31 + ` 06 0000000000002001`,
		"bad flags":        greeting31 + ` f0 00`,
		"2.0 wrong type":   signature + " 01 02 00 00",
		"2.0 no type":      signature + " 01 63 00 00",
		"2.0 PAIR":         signature + " 01 00 00 00",
		"2.0 parts":        signature + " 01 03 01 00",
		"2.0 identity":     signature + " 01 03 02 0000000000000100",
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, Config{Role: RoleRouter, Handler: newRecorder()})
			p := dialRaw(t, l)
			p.say(wire)
			p.cut()
			eventually(t, "counted", func() bool { return l.Stats().HandshakeFailures == 1 && l.Connections() == 0 })
		})
	}
}

func TestHandshake_time(t *testing.T) {
	l := listen(t, Config{Role: RoleRouter, Handler: newRecorder(), HandshakeTimeout: 50 * time.Millisecond})
	for _, wire := range []string{"", signature, greeting31, greeting31 + ` 04 26 05`} {
		p := dialRaw(t, l)
		p.say(wire)
		p.cut()
	}
	eventually(t, "counted", func() bool { return l.Stats().HandshakeFailures == 4 })
	p := dialRaw(t, l) // a port scan is no failure
	p.Close()
	eventually(t, "scan seen", func() bool { return l.Stats().Accepted == 5 && l.Connections() == 0 })
	if n := l.Stats().HandshakeFailures; n != 4 {
		t.Errorf("%d failures", n)
	}
}

func FuzzParseGreeting(f *testing.F) {
	for _, wire := range []string{greeting31, greeting30, signature + " 01 03 00 00", signature} {
		f.Add(wireBytes(wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, more, err := parseGreeting(b)
		switch {
		case err != nil:
		case more > 0:
			if more <= len(b) || more > greetingLen {
				t.Fatalf("more %d of %d", more, len(b))
			}
		case g.size > len(b) || g.size < greeting2Len:
			t.Fatalf("size %d of %d", g.size, len(b))
		}
	})
}

func FuzzCommand(f *testing.F) {
	for _, wire := range []string{readyREQ, readySUB, `04 07 04 "PING" 000a`, `04 08 05 "ERROR" 01 "x"`} {
		f.Add(wireBytes(wire)[2:])
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, data, err := splitCommand(b)
		if err != nil {
			return
		}
		_, _ = parseReady(data)
		_, _, _ = parsePing(data)
		_ = parseError(data)
	})
}

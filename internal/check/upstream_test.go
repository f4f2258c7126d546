package check

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/pki"
)

func TestUpstreamServes(t *testing.T) {
	mom := mastertest.Start(t, func(*config.Master) {})
	h := newHost(t, fmt.Sprintf("syndic_master: 127.0.0.1:%d\nsyndic_master_publish_port: %d\n", mom.RetPort, mom.PublishPort), "")
	key, err := pki.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "etc/salt/pki/minion/minion.pem", string(key.PEM()), 0o400)
	h.expect(t, h.run(t, nil),
		fmt.Sprintf("ok upstream 127.0.0.1:%d : answers", mom.RetPort), fmt.Sprintf("ok upstream 127.0.0.1:%d : publishes", mom.PublishPort))
	h.expect(t, h.run(t, func(o *Options) { o.SignIn = true }),
		fmt.Sprintf("warning upstream 127.0.0.1:%d : the key of syn1 is pending there → there: salt-key -a syn1", mom.RetPort))

	swapped := newHost(t, fmt.Sprintf("syndic_master: 127.0.0.1:%d\nsyndic_master_publish_port: %d\n", mom.PublishPort, mom.RetPort), "")
	swapped.expect(t, swapped.run(t, nil), "fault upstream…is no request port: a", "fault upstream…is no publish port: a")
}

// serve answers every connection with the bytes given and then holds it open until the test ends.
func serve(t *testing.T, answer []byte) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		ln.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(answer)
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			go func() {
				defer stop()
				defer conn.Close()
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func greeting(mechanism string) []byte {
	g := make([]byte, 64)
	g[0], g[9], g[10] = 0xff, 0x7f, 3
	copy(g[12:], mechanism)
	return g
}

func TestUpstreamStrangers(t *testing.T) {
	const long = 30 * time.Second // what fails at once must not depend on how busy the host is
	ready := append(greeting("NULL"), "\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"...)
	for _, tc := range []struct {
		name   string
		answer []byte
		wait   time.Duration // the failure has to be this late
		want   string
	}{
		{"http", []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), long, "cannot be used: what answers does not speak ZeroMQ"},
		{"silent", nil, 300 * time.Millisecond, "cannot be used: no answer in time"},
		{"other mechanism", greeting("CURVE"), long, `wants the security mechanism "CURVE"`},
		{"refusing", append(greeting("NULL"), "\x04\x0c\x05ERROR\x05\x00\x00\x00abc"...), long, "refuses the handshake"},
		{"huge frame", append(greeting("NULL"), "\x06\x7f\xff\xff\xff\xff\xff\xff\xff"...), long, "cannot be used: no ZeroMQ handshake: a frame of"},
		{"bad metadata", append(greeting("NULL"), "\x04\x0a\x05READY\xffabc"...), long, "does not speak ZeroMQ"},
		{"no pong", ready, 4 * time.Second, "takes connections and does not answer a ping"},
		{"pong that is not one", append(ready, "\x01\x00\x00\x02\xc1\xc1"...), long, "takes connections and does not answer a ping"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			port := serve(t, tc.answer)
			h := newHost(t, fmt.Sprintf("syndic_master: 127.0.0.1:%d\nsyndic_master_publish_port: %d\n", port, 1), "")
			r := h.run(t, func(o *Options) { o.Timeout = tc.wait })
			h.expect(t, r, fmt.Sprintf("upstream 127.0.0.1:%d …%s", port, tc.want), "fault upstream 127.0.0.1:1 : the publish port cannot be used: connection refused → nc -vz 127.0.0.1 1")
		})
	}
}

func FuzzSocketType(f *testing.F) {
	f.Add([]byte("\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"))
	f.Add([]byte("\x05READY\x08Identity\x00\x00\x00\x00\x0bSocket-Type\x00\x00\x00\x03PUB"))
	f.Add([]byte("\x05READY\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		kind, err := socketTypeOf(body)
		if err != nil && kind != "" {
			t.Errorf("%q with %v", kind, err)
		}
	})
}

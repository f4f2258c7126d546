package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/saltern-io/saltern/transport"
)

// echo is a request server that answers with what it was asked.
func echo(t *testing.T) string {
	t.Helper()
	s, err := transport.ListenRequests(transport.RequestServerConfig{
		Endpoint: "tcp://127.0.0.1:0", Malformed: []byte("malformed"),
		Classes: []transport.Class{{Name: "all", Queue: 16, Workers: 2}},
		Handle:  func(_ context.Context, r *transport.Request) { r.Reply(bytes.Clone(r.Body())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return strings.TrimPrefix(s.Addr(), "tcp://")
}

// What the benchmarks send has to arrive as any client's: short and long frames, several peers at once.
func TestPeer(t *testing.T) {
	addr := echo(t)
	peers, err := dialPeers(addr, 4)
	if err != nil {
		t.Fatal(err)
	}
	err = together(len(peers), func(i int) error {
		for _, size := range []int{0, 1, 255, 256, 100_000} {
			body := bytes.Repeat([]byte{byte(i)}, size)
			reply, err := peers[i].do(body)
			if err != nil {
				return err
			}
			if !bytes.Equal(reply, body) {
				t.Errorf("peer %d got %d bytes for its %d", i, len(reply), size)
			}
		}
		return nil
	})
	if err := errors.Join(err, closePeers(peers)); err != nil {
		t.Error(err)
	}
}

func TestTogether_error(t *testing.T) {
	broken := errors.New("broken")
	err := together(3, func(i int) error {
		if i == 1 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v, want the error of peer 1", err)
	}
}

func TestFreePorts_differ(t *testing.T) {
	ports, err := freePorts(8)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if p == 0 || seen[p] {
			t.Errorf("ports %v", ports)
		}
		seen[p] = true
	}
}

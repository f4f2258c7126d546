package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkRouterEcho measures request and reply through ROUTER, class queue and worker, with raw peers that
// wait for each answer as minions do. One operation is one request.
func BenchmarkRouterEcho(b *testing.B) {
	for _, bc := range []struct {
		conns, body int
	}{{1, 300}, {200, 300}, {200, 28000}} {
		b.Run(fmt.Sprintf("conns=%d/body=%d", bc.conns, bc.body), func(b *testing.B) {
			s := startRequests(b, newTestContext(b), RequestServerConfig{})
			wire := appendMessage(nil, nil, bytes.Repeat([]byte("x"), bc.body))
			work := make(chan struct{}, 1024)
			var group sync.WaitGroup
			for range bc.conns {
				p := mustDialRaw(b, s.Addr(), "REQ")
				if err := p.SetDeadline(time.Time{}); err != nil {
					b.Fatal(err)
				}
				buf := make([]byte, len(wire))
				group.Go(func() {
					for range work {
						if _, err := p.Write(wire); err != nil {
							b.Error(err)
							return
						}
						for n := 0; n < len(wire); { // the echo has the same bytes
							m, err := p.r.Read(buf[n:])
							if err != nil {
								b.Error(err)
								return
							}
							n += m
						}
					}
				})
			}
			b.ReportAllocs()
			b.SetBytes(int64(bc.body))
			cpu := cpuTime(b)
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			group.Wait()
			b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op") // server and peers together
		})
	}
}

// BenchmarkPublish measures fan-out to raw subscribers. One operation is one message to all of them, read; they
// are published in batches of a hundred.
func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			const size = 1000
			s := startPublish(b, newTestContext(b), PublishServerConfig{})
			ctx := context.Background()
			wait := startReaders(b, s, subscribers)
			batch := make([][][]byte, 0, 100)
			b.ReportAllocs()
			b.SetBytes(int64(size * subscribers))
			for b.Loop() {
				batch = append(batch, [][]byte{make([]byte, size)})
				if len(batch) == cap(batch) {
					if err := s.Publish(ctx, batch...); err != nil {
						b.Fatal(err)
					}
					batch = batch[:0]
				}
			}
			if err := s.Publish(ctx, append(batch, [][]byte{[]byte("end")})...); err != nil {
				b.Fatal(err)
			}
			wait()
			if st := s.Stats(); st.Cut > 0 {
				b.Errorf("messages lost: %+v", st)
			}
		})
	}
}

// startReaders connects n subscribers who read until the message "end", and returns when all are subscribed.
func startReaders(b *testing.B, s *PublishServer, n int) (wait func()) {
	var group sync.WaitGroup
	var subscribed atomic.Int64
	for range n {
		p := mustDialRaw(b, s.Addr(), "SUB")
		if err := errors.Join(p.send([]byte{1}), p.SetDeadline(time.Time{})); err != nil {
			b.Fatal(err)
		}
		group.Go(func() {
			first := true
			for {
				frames, err := p.recv()
				if err != nil {
					b.Error(err)
					return
				}
				if first {
					subscribed.Add(1)
					first = false
				}
				if string(frames[0]) == "end" {
					return
				}
			}
		})
	}
	eventually(b, "all subscribed", func() bool {
		if err := s.Publish(context.Background(), [][]byte{[]byte("hello")}); err != nil {
			b.Fatal(err)
		}
		return subscribed.Load() == int64(n)
	})
	return group.Wait
}

// cpuTime is the CPU time this process has used; steadier than wall time on a shared machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

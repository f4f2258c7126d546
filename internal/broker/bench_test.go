package broker

import (
	"fmt"
	"testing"

	"github.com/saltern-io/saltern/transport/zmtp"
)

// BenchmarkRequests is one request of a return's size there and back, over sockets, many connections at once. The
// minions and the master of the test are in it.
func BenchmarkRequests(b *testing.B) {
	for _, conns := range []int{1, 200} {
		b.Run(fmt.Sprintf("connections=%d", conns), func(b *testing.B) {
			m := startFakeMaster(b, "a")
			m.reqs.answer = func(c *zmtp.Conn, frames [][]byte) { _ = c.Send(frames) } // ends with the test
			r := start(b, testConfig(m.upstream()))
			r.waitReady(b)
			body := make([]byte, 660)
			type peer struct {
				conn *zmtp.Conn
				box  *inbox
			}
			peers := make(chan peer, conns)
			for range conns {
				conn, box := connect(b, r.requestPort, zmtp.RoleReq)
				peers <- peer{conn, box}
			}
			b.ReportAllocs()
			b.SetParallelism(max(1, conns/2))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				p := <-peers
				for pb.Next() {
					if err := p.conn.Send([][]byte{{}, body}); err != nil {
						b.Error(err)
						return
					}
					<-p.box.messages
				}
			})
		})
	}
}

// BenchmarkForward is the broker's own part of a request and its reply, without sockets.
func BenchmarkForward(b *testing.B) {
	r := newRequests(1000, 1<<30, 16, newContacts(10))
	r.up(&uplink{to: echoConn{r}})
	p := r.opened(discardConn{})
	frames := [][]byte{{}, make([]byte, 660)}
	b.ReportAllocs()
	for b.Loop() {
		r.request(b.Context(), p, frames)
	}
}

type discardConn struct{}

func (discardConn) Send([][]byte) error { return nil }
func (discardConn) Close()              {}

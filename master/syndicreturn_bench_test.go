package master_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/master/mastertest"
	"github.com/saltern-io/saltern/transport"
)

// BenchmarkSyndicReturns sends batches of returns as a syndic does, over the real sockets into the real store. cpu-µs/ret
// is the processor time of the whole process per return: the master's, and that of the sender, which seals each batch.
func BenchmarkSyndicReturns(b *testing.B) {
	for _, size := range []int{1, 100, 2000} {
		b.Run(fmt.Sprint("batch ", size), func(b *testing.B) {
			m := mastertest.Start(b, withSyndics)
			s := startedSyndic(b, m, "syn1")
			body, err := wire.Encode(wire.NewMap("return", true, "retcode", 0, "success", true, "fun_args", []any{}), wire.Wire)
			if err != nil {
				b.Fatal(err)
			}
			fun, err := wire.Encode("test.ping", wire.Wire)
			if err != nil {
				b.Fatal(err)
			}
			minions := make([]wire.MinionReturn, size)
			for i := range minions {
				minions[i] = wire.MinionReturn{ID: fmt.Sprintf("web%05d.example.com", i), Body: body}
			}
			zctx, err := transport.NewContext(1, 64)
			if err != nil {
				b.Fatal(err)
			}
			client, err := transport.NewRequestClient(transport.RequestClientConfig{Context: zctx, Endpoint: transport.Endpoint(m.Host, m.RetPort)})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { client.Close(); zctx.Close() })
			n := 0
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				n++
				item := wire.SyndicReturn{ID: "syn1", JID: fmt.Sprintf("20261120%012d", n), Fun: fun, Minions: minions}
				load := wire.AppendSyndicReturns(nil, []wire.SyndicReturn{item}, wire.Proof{
					ID: "syn1", Nonce: "00112233445566778899aabbccddeeff", TS: time.Now().Unix(), Tok: s.Tok(),
				})
				env := wire.Envelope{Enc: "aes", Level: 3, ID: "syn1", Load: s.Session.Seal(nil, wire.AppendPlain(nil, "", load))}
				if _, err := client.Do(b.Context(), env.Append(nil)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(n*size), "cpu-µs/ret")
			if got := m.Master.Stats().SyndicRets; got < int64(n*size) {
				b.Errorf("%d of %d returns taken", got, n*size)
			}
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

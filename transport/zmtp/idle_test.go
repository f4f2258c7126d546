package zmtp

import (
	"net"
	"runtime"
	"testing"
	"unsafe"
)

// idleBytes is what one idle connection may cost in memory of Go, stack included. The kernel's part comes on top.
const idleBytes = 8 << 10

// TestConn_idleMemory: ten thousand minions are twenty thousand connections that do nothing.
func TestConn_idleMemory(t *testing.T) {
	const n = 400
	r := newRecorder()
	r.message = echo
	l := listen(t, Config{Role: RoleRouter, Handler: r})
	before := inUse()
	peers := make([]net.Conn, n)
	for i := range peers {
		p := dialRaw(t, l)
		p.shake(readyREQ, readyROUTER)
		p.say(`01 00 00 05 "hello"`)
		p.hear(`01 00 00 05 "hello"`)
		peers[i] = p
	}
	r.conn(t, n-1)
	eventually(t, "little memory per connection", func() bool {
		per := (inUse() - before) / n
		t.Logf("%d bytes per connection (with its peer in the test), Conn itself %d", per, unsafe.Sizeof(Conn{}))
		return per < idleBytes
	})
	runtime.KeepAlive(peers)
}

func inUse() int64 {
	runtime.GC()
	runtime.GC() // empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

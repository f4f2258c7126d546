package main

import (
	"bytes"
	"context"
	"runtime"
	"syscall"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// floors are physical costs in CPU milliseconds: medians of this run.
type floors struct {
	private, public, box, echo float64
}

// returnBytes is about the size of a test.ping return at level 3, with its tok.
const returnBytes = 560

// measureFloors measures what no master can do without: the RSA operations of a sign-in, opening a request
// and sealing its answer, and a request through a bare ROUTER.
func measureFloors(ctx context.Context, s *settings, t *table) error {
	key, err := pki.GenerateKey(2048)
	if err != nil {
		return err
	}
	message := bytes.Repeat([]byte{'x'}, 900) // about a sign-in reply
	private := row{name: "RSA-2048 private operation", unit: "ms CPU"}
	public := row{name: "RSA-2048 public operation (OAEP)", unit: "ms CPU"}
	box := row{name: "open a return, seal its answer", unit: "ms CPU"}
	cipher, err := pki.NewCipher(pki.NewKeyString())
	if err != nil {
		return err
	}
	request, answer := cipher.Seal(nil, make([]byte, returnBytes)), wire.AppendPlain(nil, string(make([]byte, 32)), []byte{0xc0})
	for range s.repeat {
		private.values = append(private.values, perOperation(300, func() { _, err = key.Sign(pki.PKCS1v15SHA1, message) }))
		public.values = append(public.values, perOperation(3000, func() { _, err = key.Public().Encrypt(pki.OAEPSHA1, message[:76]) }))
		box.values = append(box.values, perOperation(20000, func() {
			_, err = cipher.Open(nil, request)
			cipher.Seal(nil, answer)
		}))
		if err != nil {
			return err
		}
	}
	echo, err := measureEcho(ctx, s)
	if err != nil {
		return err
	}
	t.floors = floors{private: private.median(), public: public.median(), box: box.median(), echo: echo.median()}
	for _, r := range []row{private, public, box, echo} {
		t.add(r)
	}
	return nil
}

// perOperation is the CPU time of one call in milliseconds, of the calling thread alone.
func perOperation(n int, run func()) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadCPU()
	for range n {
		run()
	}
	return milliseconds(threadCPU()-before) / float64(n)
}

func threadCPU() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		panic(err) // fails for a bad address only
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// measureEcho drives the bare ROUTER with the same peers, bodies and rounds as the master.
func measureEcho(ctx context.Context, s *settings) (row, error) {
	r := row{name: "request through a bare ROUTER", unit: "ms CPU"}
	server, addr, err := startEcho(ctx)
	if err != nil {
		return r, err
	}
	defer server.cmd.Process.Kill()
	peers, err := dialPeers(addr, s.peers)
	if err != nil {
		return r, err
	}
	defer closePeers(peers)
	body := bytes.Repeat([]byte{'x'}, returnBytes+100)
	for range s.repeat {
		used, err := server.measure(func() error {
			return together(len(peers), func(i int) error {
				for range rounds {
					if _, err := peers[i].do(body); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil {
			return r, err
		}
		r.values = append(r.values, milliseconds(used)/float64(rounds*len(peers)))
	}
	return r, nil
}

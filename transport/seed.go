package transport

// #include <stdlib.h>
import "C"

import (
	"crypto/rand"
	"encoding/binary"
)

// seedRoutingIDs makes the routing ids that the next ROUTER hands out unpredictable.
//
// A ROUTER numbers its anonymous peers from rand() on, which libzmq 4.3.4 does not seed: in every process the
// first peer is 00 6b 8b 45 67. A peer may also bring an id of its own, and libzmq aborts the whole process when
// it then hands out the very same id. So without a seed anybody who can connect could stop the daemon with two
// connections. With it a peer must guess: n connections held with made-up ids meet each new connection with a
// chance of n in 2^32.
func seedRoutingIDs() {
	var b [4]byte
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(b[:])
	C.srand(C.uint(binary.NativeEndian.Uint32(b[:])))
}

package master

import (
	"errors"
	"fmt"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
	"github.com/saltern-io/saltern/transport"
)

// request is one decrypted request on its way through a handler.
type request struct {
	raw    *transport.Request
	level  wire.Level
	encAlg string // of the envelope, for private replies
	sigAlg string

	load  []byte // MessagePack map, checked
	cmd   string
	id    string // the load's id, "" when it has none
	nonce string

	cipher *pki.Cipher // what opened the request, and what seals the reply
}

// errLater is returned by a handler that answers by itself, once its work is durable.
var errLater = errors.New("the handler answers later")

// take keeps what handlers need of a parsed load.
func (r *request) take(l wire.Load) {
	r.load, r.cmd, r.id, r.nonce = l.Raw, l.Cmd, l.ID, l.Nonce
}

// loadMap decodes the whole load: for handlers off the hot path.
func (r *request) loadMap() (*wire.Map, error) {
	m, err := wire.DecodeMap(r.load, wire.Wire, wire.LoadLimits)
	if err != nil {
		return nil, fmt.Errorf("decode the load of %q: %w", printable(r.cmd), err)
	}
	return m, nil
}

// seal encrypts a reply value for the sender, behind its nonce when it sent one.
func (r *request) seal(value []byte) []byte {
	nonce := r.nonce
	if r.level < 2 {
		nonce = "" // levels 0 and 1 know no nonce
	}
	plain := wire.AppendPlain(make([]byte, 0, len(value)+48), nonce, value)
	box := r.cipher.Seal(make([]byte, 0, len(plain)+80), plain)
	return wire.AppendBytes(make([]byte, 0, len(box)+8), box, wire.Wire)
}

// reply seals and sends the value.
func (r *request) reply(value []byte) { r.raw.Reply(r.seal(value)) }

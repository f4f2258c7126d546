package master

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// publishTimeout bounds how long one publication waits for room at the publish socket.
const publishTimeout = 30 * time.Second

// publisher serialises publications: the order of serials on the wire must be the order of sending
// (spec: transport §4.1).
type publisher struct{ mu sync.Mutex }

// send numbers, seals, signs and sends one load.
func (m *Master) send(j *job, payload *wire.Map) error {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	m.publisher.mu.Lock()
	defer m.publisher.mu.Unlock()
	epoch, serial, err := m.shared.Next()
	if err != nil {
		return fmt.Errorf("number publication %s: %w", j.jid, err)
	}
	payload.Set("serial", serial)
	envelope, err := m.envelope(payload, epoch.Cipher)
	if err != nil {
		return fmt.Errorf("publication %s: %w", j.jid, err)
	}
	if err := m.pubs.Publish(ctx, m.frames(j, envelope)...); err != nil {
		return fmt.Errorf("send publication %s: %w", j.jid, err)
	}
	return nil
}

// envelope seals and signs a publication load (spec: transport §4.4).
func (m *Master) envelope(payload *wire.Map, cipher *pki.Cipher) ([]byte, error) {
	value, err := wire.Encode(payload, wire.Wire)
	if err != nil {
		return nil, err
	}
	box := cipher.Seal(nil, wire.AppendPlain(nil, "", value))
	cfg := m.cfg.Load()
	if !cfg.SignPubMessages {
		return wire.AppendPubEnvelope(nil, box, "", nil), nil
	}
	alg := pki.SigAlgorithm(cfg.PublishSigningAlgorithm)
	sig, err := m.masterKeys.Master.Sign(alg, box)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return wire.AppendPubEnvelope(nil, box, string(alg), sig), nil
}

// frames lays one publication out for the socket: one frame, or with zmq_filtering a topic and the
// same envelope once per topic (spec: transport §4.3).
func (m *Master) frames(j *job, envelope []byte) [][][]byte {
	cfg := m.cfg.Load()
	if !cfg.ZMQFiltering {
		return [][][]byte{{envelope}}
	}
	switch j.tgtType {
	case "glob", "pcre", "list":
	default:
		return [][][]byte{{[]byte("broadcast"), envelope}}
	}
	if len(j.minions) == 0 {
		return [][][]byte{{[]byte("broadcast"), envelope}}
	}
	out := make([][][]byte, 0, len(j.minions)+1)
	for _, id := range j.minions {
		sum := sha1.Sum([]byte(id))
		out = append(out, [][]byte{hex.AppendEncode(nil, sum[:]), envelope})
	}
	if cfg.OrderMasters {
		out = append(out, [][]byte{[]byte("syndic"), envelope})
	}
	return out
}

package master

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/wire"
	"github.com/saltern-io/saltern/pki"
)

// publishTimeout bounds how long one publication waits for room at the publish socket.
const publishTimeout = 30 * time.Second

// envelope seals and signs a publication load (spec: transport §4.4).
func (m *Master) envelope(value []byte, cipher *pki.Cipher) ([]byte, error) {
	box := cipher.SealSame(nil, wire.AppendPlain(nil, "", value))
	cfg := m.cfg.Load()
	if !cfg.SignPubMessages {
		return wire.AppendPubEnvelope(nil, box, "", nil), nil
	}
	alg := pki.SigAlgorithm(cfg.PublishSigningAlgorithm)
	sig, err := m.masterKeys.Load().Master.Sign(alg, box)
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
		if here := j.population.here; here != nil {
			if _, ok := here[id]; !ok {
				continue // behind a syndic: it does not listen here
			}
		}
		sum := sha1.Sum([]byte(id))
		out = append(out, [][]byte{hex.AppendEncode(nil, sum[:]), envelope})
	}
	if cfg.OrderMasters {
		out = append(out, [][]byte{[]byte("syndic"), envelope})
	}
	return out
}

package master

import (
	"sync"

	"github.com/saltern-io/saltern/pki"
)

// maxSealed bounds the sealed keys that are kept, about 700 bytes each. Beyond it all are forgotten
// and made again as minions come.
const maxSealed = 20_000

// sealedKeys remembers, per minion, the shared and the session key sealed under the minion's public
// key. A minion that signs in again under the same keys (after its restart, a replaced session, a
// storm) gets the same two blocks: they hold the same secrets for the same reader, and two of the
// three public-key operations of a sign-in are saved.
type sealedKeys struct {
	mu   sync.Mutex
	byID map[string]sealedPair
}

// sealedPair is what was sealed, for whom, and how.
type sealedPair struct {
	epoch   *pki.KeyEpoch
	session string
	reader  *pki.PublicKey
	alg     pki.EncAlgorithm

	aes, sess []byte
}

func newSealedKeys() *sealedKeys { return &sealedKeys{byID: map[string]sealedPair{}} }

// find returns the blocks of id when they were made of just these keys.
func (s *sealedKeys) find(id string, want sealedPair) (aes, sess []byte, ok bool) {
	s.mu.Lock()
	have, ok := s.byID[id]
	s.mu.Unlock()
	if !ok || have.epoch != want.epoch || have.session != want.session || have.alg != want.alg ||
		have.reader != want.reader && !have.reader.Equal(want.reader) {
		return nil, nil, false
	}
	return have.aes, have.sess, true
}

// keep remembers the blocks of id.
func (s *sealedKeys) keep(id string, pair sealedPair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= maxSealed {
		clear(s.byID)
	}
	s.byID[id] = pair
}

// forget drops the blocks of an id whose key is gone.
func (s *sealedKeys) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

package broker

import "sync"

// topics is what all subscribers together have subscribed to: the first one adds a topic upstream, the last one
// removes it (as XPUB and XSUB do; spec: relay-and-broker §2 requirement 1). Safe for concurrent use.
//
// Changes are handed to send while the lock is held, so that the upstream sees them in their order.
type topics struct {
	mu    sync.Mutex
	most  int
	count map[string]int
	bytes int64
	send  func(topic []byte, on bool) // nil while no upstream listens
}

// maxTopicBytes is the most that all topics together take, beside their number.
const maxTopicBytes = 256 << 20

func newTopics(most int) *topics { return &topics{most: most, count: map[string]int{}} }

// add counts one subscriber more; false when there are too many topics.
func (t *topics) add(topic []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.count[string(topic)]
	if n == 0 {
		if len(t.count) >= t.most || t.bytes+int64(len(topic)) > maxTopicBytes {
			return false
		}
		t.bytes += int64(len(topic))
		if t.send != nil {
			t.send(topic, true)
		}
	}
	t.count[string(topic)] = n + 1
	return true
}

// remove counts one subscriber less. A topic nobody has is no error: its subscriber was refused.
func (t *topics) remove(topic []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch n := t.count[string(topic)]; n {
	case 0:
	case 1:
		delete(t.count, string(topic))
		t.bytes -= int64(len(topic))
		if t.send != nil {
			t.send(topic, false)
		}
	default:
		t.count[string(topic)] = n - 1
	}
}

// attach makes send the receiver of all topics that there are now, and of every change from then on.
func (t *topics) attach(send func(topic []byte, on bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.send = send
	for topic := range t.count {
		send([]byte(topic), true)
	}
}

// detach ends that; withdraw says that the receiver is still there and is told to remove everything.
func (t *topics) detach(withdraw bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.send != nil && withdraw {
		for topic := range t.count {
			t.send([]byte(topic), false)
		}
	}
	t.send = nil
}

// len is the number of different topics.
func (t *topics) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.count)
}

package zmtp

import "fmt"

// ErrSubscriptions reports a subscriber with more subscriptions, or longer ones together, than the Index allows.
var ErrSubscriptions = fmt.Errorf("%w: too many subscriptions", ErrFrameSize)

// Index finds the subscribers of a topic. A subscription is a prefix; the empty one matches everything. A lookup
// costs one map access for every length that occurs among the prefixes, however many subscribers and prefixes
// there are: with the topics of zmq_filtering these are four. It is not safe for concurrent use. spec: transport
// §4.2, §4.3.
type Index[K comparable] struct {
	maxCount int // subscriptions of one member
	maxBytes int // sum of their prefixes

	nodes   map[string]*node[K]
	lengths []int // lengths[n] = prefixes of n bytes
	members map[K]*member[K]
	round   uint64 // of Match, so that a member is found once
}

// node is one prefix and who asked for it.
type node[K comparable] struct {
	prefix string
	links  []*link[K]
}

// member is one subscriber. byNode is used once there are many links.
type member[K comparable] struct {
	key    K
	links  []*link[K]
	byNode map[*node[K]]*link[K]
	bytes  int
	round  uint64
}

// link is one subscription: the places of itself in its node and its member.
type link[K comparable] struct {
	node             *node[K]
	member           *member[K]
	atNode, atMember int
}

// linearLinks is how many subscriptions of one member are searched without a map.
const linearLinks = 16

// NewIndex returns an Index that allows each member count subscriptions with prefixes of bytes together.
func NewIndex[K comparable](count, bytes int) *Index[K] {
	return &Index[K]{maxCount: count, maxBytes: bytes, nodes: map[string]*node[K]{}, members: map[K]*member[K]{}}
}

// Add subscribes k to prefix. first says that nobody had that prefix before. Twice the same is once.
func (x *Index[K]) Add(k K, prefix []byte) (first bool, err error) {
	m := x.members[k]
	n := x.nodes[string(prefix)]
	if m != nil && n != nil && m.find(n) != nil {
		return false, nil
	}
	if m == nil {
		m = &member[K]{key: k}
	}
	if len(m.links) >= x.maxCount || m.bytes+len(prefix) > x.maxBytes {
		return false, ErrSubscriptions
	}
	x.members[k] = m
	if n == nil {
		n = &node[K]{prefix: string(prefix)}
		x.nodes[n.prefix] = n
		x.count(len(prefix), 1)
		first = true
	}
	l := &link[K]{node: n, member: m, atNode: len(n.links), atMember: len(m.links)}
	n.links = append(n.links, l)
	m.links = append(m.links, l)
	m.bytes += len(prefix)
	if m.byNode != nil {
		m.byNode[n] = l
	} else if len(m.links) > linearLinks {
		m.byNode = make(map[*node[K]]*link[K], 2*linearLinks)
		for _, l := range m.links {
			m.byNode[l.node] = l
		}
	}
	return first, nil
}

// Remove ends a subscription. last says that nobody has that prefix any more.
func (x *Index[K]) Remove(k K, prefix []byte) (last bool) {
	m, n := x.members[k], x.nodes[string(prefix)]
	if m == nil || n == nil {
		return false
	}
	l := m.find(n)
	if l == nil {
		return false
	}
	end := len(m.links) - 1
	m.links[l.atMember] = m.links[end]
	m.links[l.atMember].atMember = l.atMember
	m.links[end] = nil
	m.links = m.links[:end]
	m.bytes -= len(prefix)
	delete(m.byNode, n)
	if end == 0 {
		delete(x.members, k)
	}
	return x.unlink(l)
}

// Drop ends all subscriptions of k and returns the prefixes that nobody has any more.
func (x *Index[K]) Drop(k K) (gone []string) {
	m := x.members[k]
	if m == nil {
		return nil
	}
	delete(x.members, k)
	for _, l := range m.links {
		if x.unlink(l) {
			gone = append(gone, l.node.prefix)
		}
	}
	return gone
}

// unlink takes l out of its node.
func (x *Index[K]) unlink(l *link[K]) (last bool) {
	n := l.node
	end := len(n.links) - 1
	n.links[l.atNode] = n.links[end]
	n.links[l.atNode].atNode = l.atNode
	n.links[end] = nil
	n.links = n.links[:end]
	if end > 0 {
		if cap(n.links) > 64 && end < cap(n.links)/4 {
			n.links = append(make([]*link[K], 0, cap(n.links)/2), n.links...)
		}
		return false
	}
	delete(x.nodes, n.prefix)
	x.count(len(n.prefix), -1)
	return true
}

// count keeps lengths.
func (x *Index[K]) count(length, by int) {
	for len(x.lengths) <= length {
		x.lengths = append(x.lengths, 0)
	}
	x.lengths[length] += by
	for len(x.lengths) > 0 && x.lengths[len(x.lengths)-1] == 0 {
		x.lengths = x.lengths[:len(x.lengths)-1]
	}
}

// Match appends every member with a prefix of topic to dst, once each.
func (x *Index[K]) Match(dst []K, topic []byte) []K {
	x.round++
	for length, prefixes := range x.lengths {
		if length > len(topic) {
			break
		}
		if prefixes == 0 {
			continue
		}
		n := x.nodes[string(topic[:length])]
		if n == nil {
			continue
		}
		for _, l := range n.links {
			if l.member.round != x.round {
				l.member.round = x.round
				dst = append(dst, l.member.key)
			}
		}
	}
	return dst
}

// Members returns how many have a subscription.
func (x *Index[K]) Members() int { return len(x.members) }

// Prefixes calls f for every prefix that somebody has, in no order.
func (x *Index[K]) Prefixes(f func(prefix string)) {
	for p := range x.nodes {
		f(p)
	}
}

// find returns m's subscription to n.
func (m *member[K]) find(n *node[K]) *link[K] {
	if m.byNode != nil {
		return m.byNode[n]
	}
	for _, l := range m.links {
		if l.node == n {
			return l
		}
	}
	return nil
}

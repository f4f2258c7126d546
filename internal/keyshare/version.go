package keyshare

import "maps"

// Bounds of a version vector.
const (
	maxNodes   = 64
	maxCounter = 1 << 53 // what every JSON reader keeps exactly
	nodeLen    = 16
)

// Version counts the decisions of each master about one id: node → number. Nil is the version of what nobody decided.
type Version map[string]uint64

// Order is how two versions stand to each other.
type Order uint8

// The orders.
const (
	Same Order = iota
	Before
	After
	Concurrent // each knows a decision that the other does not
)

// Compare tells how v stands to o.
func (v Version) Compare(o Version) Order {
	less, more := false, false
	for node, n := range v {
		switch m := o[node]; {
		case n > m:
			more = true
		case n < m:
			less = true
		}
	}
	for node, m := range o {
		if m > v[node] {
			less = true
		}
	}
	switch {
	case less && more:
		return Concurrent
	case less:
		return Before
	case more:
		return After
	}
	return Same
}

// Join is the smallest version that is not before either.
func (v Version) Join(o Version) Version {
	joined := Version{}
	maps.Copy(joined, v)
	for node, n := range o {
		joined[node] = max(joined[node], n)
	}
	return joined
}

// Next is the version after one more decision of node.
func (v Version) Next(node string) Version {
	next := Version{}
	maps.Copy(next, v)
	next[node]++
	return next
}

// valid reports whether v can have been made by this package.
func (v Version) valid() bool {
	if len(v) == 0 || len(v) > maxNodes {
		return false
	}
	for node, n := range v {
		if !validNode(node) || n == 0 || n >= maxCounter {
			return false
		}
	}
	return true
}

func validNode(node string) bool {
	if len(node) != nodeLen {
		return false
	}
	for _, c := range []byte(node) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

package zmtp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// naive is an Index that looks at everything.
type naive map[string]map[byte]bool

func (n naive) match(topic []byte) (keys []byte) {
	seen := map[byte]bool{}
	for prefix, members := range n {
		if bytes.HasPrefix(topic, []byte(prefix)) {
			for k := range members {
				seen[k] = true
			}
		}
	}
	for k := range seen {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// replay reads operations from ops: two bytes each, what and for whom, then a prefix from a few letters.
func replay(t *testing.T, ops []byte) {
	x, n := NewIndex[byte](40, 1000), naive{}
	for len(ops) >= 3 {
		k, size := ops[1]%5, min(int(ops[2]%4), len(ops)-3)
		prefix := ops[3 : 3+size]
		for i := range prefix {
			prefix[i] = 'a' + prefix[i]%3
		}
		p := string(prefix)
		switch ops[0] % 4 {
		case 0, 1:
			first, err := x.Add(k, prefix)
			if err != nil || first != (len(n[p]) == 0) {
				t.Fatalf("add %d %q: %v, %v", k, p, first, err)
			}
			if n[p] == nil {
				n[p] = map[byte]bool{}
			}
			n[p][k] = true
		case 2:
			had := n[p][k]
			delete(n[p], k)
			if last := x.Remove(k, prefix); last != (had && len(n[p]) == 0) {
				t.Fatalf("remove %d %q: %v", k, p, last)
			}
		case 3:
			var want []string
			for p, members := range n {
				if members[k] && len(members) == 1 {
					want = append(want, p)
				}
				delete(members, k)
			}
			gone := x.Drop(k)
			slices.Sort(gone)
			slices.Sort(want)
			if !slices.Equal(gone, want) {
				t.Fatalf("drop %d: %q, want %q", k, gone, want)
			}
		}
		ops = ops[3+size:]
		for _, topic := range []string{"", "a", "abc", "bca", "ccc", "aab"} {
			got := x.Match(nil, []byte(topic))
			slices.Sort(got)
			if want := n.match([]byte(topic)); !slices.Equal(got, want) {
				t.Fatalf("%q: got %v, want %v", topic, got, want)
			}
		}
	}
	for k := range byte(5) {
		x.Drop(k)
	}
	if x.Members() != 0 || len(x.nodes) != 0 || len(x.lengths) != 0 {
		t.Fatalf("left: %d members, %d nodes, lengths %v", x.Members(), len(x.nodes), x.lengths)
	}
}

func TestIndex(t *testing.T) {
	ops := make([]byte, 0, 4000)
	for i := range 4000 { // a fixed mixture
		ops = append(ops, byte(i*i>>3^i*7))
	}
	replay(t, ops)
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte{0, 1, 2, 'a', 'b', 0, 2, 0, 2, 1, 2, 'a', 'b', 3, 2, 0})
	f.Fuzz(replay)
}

func TestIndex_limits(t *testing.T) {
	x := NewIndex[int](100, 1000)
	for i := range 100 {
		if _, err := x.Add(1, fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.Add(1, []byte("more")); !errors.Is(err, ErrSubscriptions) {
		t.Errorf("count: %v", err)
	}
	if _, err := x.Add(1, []byte("5")); err != nil {
		t.Errorf("again: %v", err)
	}
	if !x.Remove(1, []byte("77")) || len(x.Match(nil, []byte("77"))) != 1 { // "7" is still there
		t.Error("remove")
	}
	if _, err := x.Add(2, make([]byte, 1001)); !errors.Is(err, ErrSubscriptions) {
		t.Errorf("bytes: %v", err)
	}
	if x.Members() != 1 {
		t.Errorf("%d members", x.Members())
	}
}

// BenchmarkIndex_match: 10,000 minions with a topic of their own and one for all.
func BenchmarkIndex_match(b *testing.B) {
	x := NewIndex[int](10, 1000)
	for i := range 10000 {
		_, _ = x.Add(i, []byte("broadcast"))
		_, _ = x.Add(i, fmt.Appendf(nil, "%040x", i))
	}
	topic := fmt.Appendf(nil, "%040x", 7777)
	var dst []int
	b.ReportAllocs()
	for b.Loop() {
		if dst = x.Match(dst[:0], topic); len(dst) != 1 {
			b.Fatal(dst)
		}
	}
}

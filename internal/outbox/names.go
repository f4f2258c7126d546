package outbox

import (
	"encoding/binary"
)

// create makes a queue, unless there is one.
func (g *group) create(name string) error {
	if q := g.find(name); q != nil {
		return nil
	}
	var id uint32
	for _, q := range append(g.s.listQueues(), g.births...) {
		id = max(id, q.id)
	}
	q := newQueue(g.s, name, id+1, queueState{})
	g.touch(q)
	key := append([]byte{prefixName}, name...)
	value := binary.BigEndian.AppendUint32([]byte{recordVersion}, q.id)
	if err := g.batch.Set(key, value, nil); err != nil {
		return err
	}
	g.births = append(g.births, q)
	return nil
}

// find returns a queue as this group leaves it.
func (g *group) find(name string) *Queue {
	for _, q := range g.births {
		if q.name == name && !q.leaving {
			return q
		}
	}
	if q := g.s.find(name); q != nil && !q.leaving {
		return q
	}
	return nil
}

// drop removes a queue.
func (g *group) drop(name string) error {
	q := g.find(name)
	if q == nil {
		return nil
	}
	g.touch(q)
	q.leaving = true
	if err := g.batch.Delete(append([]byte{prefixName}, name...), nil); err != nil {
		return err
	}
	return g.batch.DeleteRange(appendPart(nil, q.id, 0), appendPart(nil, q.id, 0xff), nil)
}

package outbox

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/jobcache/durable"
)

// factWork is what a group knows of facts that it has changed itself.
type factWork struct {
	changed map[string]uint64 // key → when it expires; 0 = never, or deleted
	count   int64             // facts that expire
}

func (f *Fact) check() error {
	if f.Key == "" || len(f.Key) > MaxKey || len(f.Value) > MaxFactValue || f.TTL < 0 {
		return fmt.Errorf("%w: fact with a key of %d and a value of %d bytes", ErrItem, len(f.Key), len(f.Value))
	}
	return nil
}

// SetFact remembers value under key for ever, and returns after the sync.
func (s *Store) SetFact(key string, value []byte) error { return s.SetFactTTL(key, value, 0) }

// SetFactTTL remembers value under key until ttl is over; 0 = for ever. It returns after the sync.
func (s *Store) SetFactTTL(key string, value []byte, ttl time.Duration) error {
	return s.setFact(Fact{Key: key, Value: value, TTL: ttl})
}

// DeleteFact forgets a fact. Forgetting what is not known is no error.
func (s *Store) DeleteFact(key string) error { return s.setFact(Fact{Key: key, Delete: true}) }

func (s *Store) setFact(f Fact) error {
	if err := f.check(); err != nil {
		return err
	}
	return s.do(func(g *group) error {
		if g.full && !f.Delete {
			return ErrDiskFull
		}
		return g.fact(&f)
	}, true)
}

// Fact returns the value of a fact; ok is false when it is not known, or over.
func (s *Store) Fact(key string) (value []byte, ok bool, err error) {
	e, err := s.read()
	if err != nil {
		return nil, false, err
	}
	defer s.endRead()
	now := nanos(s.opts.Clock())
	_, err = e.get(appendFactKey(nil, key), func(record []byte) error {
		expires, v, err := decodeFact(record)
		if err == nil && (expires == 0 || now < expires) {
			value, ok = append([]byte{}, v...), true
		}
		return err
	})
	return value, ok, err
}

// Facts calls fn for every fact whose key starts with prefix, in the order of the keys, until fn returns ErrStop or
// another error. The value is valid during the call only. fn must not call a method that queues.
func (s *Store) Facts(prefix string, fn func(key string, value []byte) error) error {
	e, err := s.read()
	if err != nil {
		return err
	}
	defer s.endRead()
	now := nanos(s.opts.Clock())
	lower := appendFactKey(nil, prefix)
	return e.scan(lower, prefixEnd(lower), func(key, record []byte) error {
		expires, v, err := decodeFact(record)
		if err != nil || expires != 0 && now >= expires {
			return err
		}
		return fn(string(key[1:]), v)
	})
}

// fact writes or forgets one fact.
func (g *group) fact(f *Fact) error {
	if err := g.unschedule(f.Key); err != nil {
		return err
	}
	g.buf = appendFactKey(g.buf[:0], f.Key)
	if f.Delete {
		return g.batch.Delete(g.buf, nil)
	}
	var expires uint64
	if f.TTL > 0 {
		expires = nanos(g.now.Add(f.TTL))
	}
	g.val = appendFact(g.val[:0], expires, f.Value)
	if err := g.batch.Set(g.buf, g.val, nil); err != nil || expires == 0 {
		return err
	}
	g.facts.changed[f.Key] = expires
	g.facts.count++
	g.buf = appendDueKey(g.buf[:0], expires, f.Key)
	return g.batch.Set(g.buf, nil, nil)
}

// unschedule takes a fact, as it was, out of the order in which facts expire.
func (g *group) unschedule(key string) error {
	expires, changed := g.facts.changed[key]
	if !changed {
		g.buf = appendFactKey(g.buf[:0], key)
		_, err := g.eng.get(g.buf, func(record []byte) (err error) {
			expires, _, err = decodeFact(record)
			return err
		})
		if err != nil {
			return err
		}
	}
	g.facts.changed[key] = 0
	if expires == 0 {
		return nil
	}
	g.facts.count--
	g.buf = appendDueKey(g.buf[:0], expires, key)
	return g.batch.Delete(g.buf, nil)
}

// expireFacts forgets, in one step, the facts whose time is over, and beyond MaxFacts the next ones.
func (g *group) expireFacts() (more bool, err error) {
	now := nanos(g.now)
	left := expireStep
	err = g.eng.scan([]byte{prefixDue}, []byte{prefixDue + 1}, func(key, _ []byte) error {
		if len(key) < 10 {
			return fmt.Errorf("%w: order of facts", ErrRecord)
		}
		expires, name := binary.BigEndian.Uint64(key[1:9]), string(key[9:])
		if expires > now && g.facts.count <= g.s.opts.MaxFacts {
			return ErrStop
		}
		if left == 0 {
			more = true
			return ErrStop
		}
		if _, changed := g.facts.changed[name]; changed {
			return nil // this group has dealt with that entry
		}
		left--
		return g.fact(&Fact{Key: name, Delete: true})
	})
	return more, err
}

func loadFactCount(e *engine) (n int64, err error) {
	_, err = e.get([]byte(factCountKey), func(v []byte) error {
		d := durable.Reader{Rest: v}
		d.Version(recordVersion)
		n = d.Count()
		if d.Bad {
			return fmt.Errorf("%w: count of facts", ErrRecord)
		}
		return nil
	})
	return n, err
}

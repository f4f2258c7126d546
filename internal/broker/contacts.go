package broker

import (
	"container/list"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxIDBytes is the longest id that is remembered; Salt's own limit is that of a file name.
const maxIDBytes = 255

// contacts remembers when each minion was last heard of, as far as requests tell an id in clear. Ids are what
// strangers say, so their number and length are bounded: the one heard of longest ago gives way. Safe for concurrent
// use.
type contacts struct {
	mu      sync.Mutex
	most    int
	byID    map[string]*list.Element
	newest  *list.List // of *contact, newest first
	dropped uint64     // ids that gave way
	refused uint64     // ids that no minion can have
}

type contact struct {
	id       string
	at       time.Time
	requests uint64
}

// Contact is one row of Broker.Contacts.
type Contact struct {
	ID       string    `json:"id"`
	Last     time.Time `json:"last"`     // of the last request that named the id in clear
	Requests uint64    `json:"requests"` // how many did
}

func newContacts(most int) *contacts {
	return &contacts{most: most, byID: map[string]*list.Element{}, newest: list.New()}
}

// heard notes a request of id, which may alias the request.
func (c *contacts) heard(id []byte, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most == 0 {
		return
	}
	if e := c.byID[string(id)]; e != nil {
		got := e.Value.(*contact)
		got.at = now
		got.requests++
		c.newest.MoveToFront(e)
		return
	}
	if !plausibleID(id) {
		c.refused++
		return
	}
	c.shrink(c.most - 1)
	name := string(id)
	c.byID[name] = c.newest.PushFront(&contact{id: name, at: now, requests: 1})
}

// shrink forgets the oldest until at most n are left. The caller holds the lock.
func (c *contacts) shrink(n int) {
	for c.newest.Len() > n {
		oldest := c.newest.Back()
		delete(c.byID, c.newest.Remove(oldest).(*contact).id)
		c.dropped++
	}
}

// setMost changes the bound.
func (c *contacts) setMost(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = n
	c.shrink(n)
}

// since counts the ids heard of since a moment, and all of them.
func (c *contacts) since(t time.Time) (recent, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.newest.Front(); e != nil && !e.Value.(*contact).at.Before(t); e = e.Next() {
		recent++
	}
	return recent, c.newest.Len()
}

// list returns the newest contacts, sorted by id.
func (c *contacts) list(most int) []Contact {
	c.mu.Lock()
	all := make([]Contact, 0, min(most, c.newest.Len()))
	for e := c.newest.Front(); e != nil && len(all) < most; e = e.Next() {
		got := e.Value.(*contact)
		all = append(all, Contact{ID: got.id, Last: got.at, Requests: got.requests})
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b Contact) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// plausibleID keeps out what can be no minion's id: it would only push out those that are.
func plausibleID(id []byte) bool {
	if len(id) == 0 || len(id) > maxIDBytes {
		return false
	}
	for _, b := range id {
		if b <= ' ' || b == 0x7f || b == '/' || b == '\\' {
			return false
		}
	}
	return true
}

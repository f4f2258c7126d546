package jobcache

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Job returns what is known about a job; ok is false when it is unknown (spec: job-cache §1, get_load).
// A job of which only returns are known has a nil Load.
func (s *Store) Job(jid string) (job Job, ok bool, err error) {
	if err := checkJID(jid); err != nil {
		return Job{}, false, err
	}
	// The records of a job before and after its returns are read apart: it may have 10,000 of them.
	before, _ := jobRange(jid)
	returns, after := kindRange(jid, kindReturn)
	_, end := jobRange(jid)
	take := func(it *pebble.Iterator) error {
		found, err := readJobPart(&job, jid, it)
		ok = ok || found
		return err
	}
	err = s.scan(before, returns, take)
	if err == nil && ok {
		err = s.scan(after, end, take)
	}
	if err != nil || !ok {
		return Job{}, false, err
	}
	return job, true, nil
}

// readJobPart takes one record of a job into job; isJob tells that it was the job record itself.
func readJobPart(job *Job, jid string, it *pebble.Iterator) (isJob bool, err error) {
	v, err := it.ValueAndErr()
	if err != nil {
		return false, err
	}
	kind, id := splitJobKey(jid, it.Key())
	switch kind {
	case kindJob:
		*job, err = decodeJob(jid, v)
		return err == nil, err
	case kindEndTime:
		job.EndTime, err = decodeEndTime(jid, v)
	case kindSyndic:
		var list []string
		_, list, err = decodeSyndic(jid, v)
		if job.Syndics == nil {
			job.Syndics = make(map[string][]string)
		}
		job.Syndics[id] = list
	}
	return false, err
}

// Returns calls fn for every return of a job, in order of minion id, from one snapshot. The body is valid
// only during the call. It ends early when fn returns an error, which it passes on, or ErrStop.
// An unknown job has no returns (spec: job-cache §1, get_jid).
func (s *Store) Returns(jid string, fn func(Return) error) error {
	if err := checkJID(jid); err != nil {
		return err
	}
	lower, upper := kindRange(jid, kindReturn)
	return s.scan(lower, upper, func(it *pebble.Iterator) error {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		_, minionID := splitJobKey(jid, it.Key())
		r, err := decodeReturn(jid, minionID, v)
		if err != nil {
			return err
		}
		return fn(r)
	})
}

// Return returns one minion's return of a job; the body is a copy.
func (s *Store) Return(jid, minionID string) (r Return, ok bool, err error) {
	if err := errors.Join(checkJID(jid), checkID(minionID)); err != nil {
		return Return{}, false, err
	}
	if err := s.read(); err != nil {
		return Return{}, false, err
	}
	defer s.endRead()
	v, closer, err := s.db.Get(appendJobKey(nil, jid, kindReturn, minionID))
	if errors.Is(err, pebble.ErrNotFound) {
		return Return{}, false, nil
	}
	if err != nil {
		return Return{}, false, fmt.Errorf("read return: %w", err)
	}
	r, err = decodeReturn(jid, minionID, v)
	r.Body = bytes.Clone(r.Body)
	return r, err == nil, errors.Join(err, closer.Close())
}

// Jobs calls fn for every job first heard of from from (inclusive) to to (exclusive), oldest first; a zero
// time is no bound. It ends early as Returns does (spec: job-cache §1, get_jids).
func (s *Store) Jobs(from, to time.Time, fn func(Job) error) error {
	lower, upper := prefixBounds(prefixArrival)
	if from.Unix() > 0 {
		lower = appendTimeKey(nil, prefixArrival, from, "")
	}
	if !to.IsZero() {
		upper = appendTimeKey(nil, prefixArrival, to, "")
	}
	return s.scan(lower, upper, func(it *pebble.Iterator) error {
		return s.listed(it, fn)
	})
}

// Newest calls fn for at most n jobs, the last one heard of first. It ends early as Returns does.
func (s *Store) Newest(n int, fn func(Job) error) error {
	if n <= 0 {
		return nil
	}
	lower, upper := prefixBounds(prefixArrival)
	return s.scanBack(lower, upper, func(it *pebble.Iterator) error {
		if n--; n < 0 {
			return ErrStop
		}
		return s.listed(it, fn)
	})
}

// listed reads the job behind an entry of the arrival index; one that has just expired is passed over.
func (s *Store) listed(it *pebble.Iterator, fn func(Job) error) error {
	_, jid, ok := parseTimeKey(prefixArrival, it.Key())
	if !ok {
		return fmt.Errorf("%w: arrival index", ErrRecord)
	}
	job, ok, err := s.Job(jid)
	if err != nil || !ok {
		return err
	}
	return fn(job)
}

// splitJobKey takes a key of a known job apart.
func splitJobKey(jid string, key []byte) (kind byte, id string) {
	at := len(prefixJob) + len(jid) + 1
	if len(key) <= at {
		return 0, ""
	}
	return key[at], string(key[at+1:])
}

// scan calls fn at every key in [lower, upper) of one snapshot. fn may return ErrStop.
func (s *Store) scan(lower, upper []byte, fn func(*pebble.Iterator) error) error {
	return s.iterate(lower, upper, (*pebble.Iterator).First, (*pebble.Iterator).Next, fn)
}

// scanBack is scan from the last key to the first.
func (s *Store) scanBack(lower, upper []byte, fn func(*pebble.Iterator) error) error {
	return s.iterate(lower, upper, (*pebble.Iterator).Last, (*pebble.Iterator).Prev, fn)
}

func (s *Store) iterate(lower, upper []byte, start, step func(*pebble.Iterator) bool, fn func(*pebble.Iterator) error) error {
	if err := s.read(); err != nil {
		return err
	}
	defer s.endRead()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("read job cache: %w", err)
	}
	for ok := start(it); ok; ok = step(it) {
		if err = fn(it); err != nil {
			break
		}
	}
	if errors.Is(err, ErrStop) {
		err = nil
	}
	// Close also reports what made the iterator end before its time.
	if cerr := it.Close(); cerr != nil {
		err = errors.Join(err, fmt.Errorf("read job cache: %w", cerr))
	}
	return err
}

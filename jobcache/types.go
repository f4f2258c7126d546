package jobcache

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/saltern-io/saltern/jobcache/durable"
)

// Errors that callers decide on.
var (
	ErrClosed   = errors.New("job cache is closed")              // after Close
	ErrDead     = errors.New("job cache engine has failed")      // see Store.Dead
	ErrJID      = errors.New("job id cannot be stored")          // empty, longer than MaxName or holding a zero byte
	ErrName     = errors.New("minion or syndic id is not valid") // as ErrJID; for LocalDir also anything that is not a plain file name
	ErrTooLarge = errors.New("more than fits one write of the job cache")
	ErrFormat   = durable.ErrFormat                      // written by a later release
	ErrRecord   = errors.New("damaged job cache record") // a value that this release cannot read
	ErrStop     = errors.New("stop")                     // returned by a callback: end the scan without an error
)

// MaxName is the largest length of a job, minion or syndic id, in bytes.
const MaxName = 255

// MaxUnit is the largest load, or unit of returns, that one call can store, in bytes.
const MaxUnit = 1 << 30

// Job is one published load and what is known about it (spec: job-cache §1, §2).
type Job struct {
	JID     string
	Load    []byte   // the published load, opaque; nil when only returns are known
	Minions []string // matched by this master
	Missing []string // named by the target, unknown to this master
	NoCache bool     // returns of this job are not stored
	// Published: the load was sent by this master, not learned from somebody else.
	Published bool

	// The rest is filled in by the store; SaveLoad ignores it.
	Received time.Time           // when the store first heard of the job
	Syndics  map[string][]string // minions reported by each syndic (AddMinions)
	EndTime  string              // SetEndTime
}

// AllMinions returns the union of Minions and every syndic's list, sorted, without duplicates.
func (j Job) AllMinions() []string {
	all := slices.Clone(j.Minions)
	for _, ids := range j.Syndics {
		all = append(all, ids...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Return is one minion's answer to one job.
type Return struct {
	JID      string
	MinionID string
	Body     []byte    // opaque; must stay unchanged until done was called
	Received time.Time // filled in by the store; ignored by SaveReturn
}

// Outcome is what became of one return.
type Outcome struct {
	Duplicate bool  // a return of this minion for this job was there already; the first one is kept
	Skipped   bool  // the job is marked NoCache: nothing stored, nothing wrong
	Err       error // not stored: do not acknowledge
}

func checkJID(jid string) error {
	if !validName(jid) {
		return fmt.Errorf("%w: %d bytes", ErrJID, len(jid))
	}
	return nil
}

func checkID(id string) error {
	if !validName(id) {
		return fmt.Errorf("%w: %d bytes", ErrName, len(id))
	}
	return nil
}

func validName(s string) bool {
	return s != "" && len(s) <= MaxName && strings.IndexByte(s, 0) < 0
}

package status

import (
	"encoding/json"
	"os"
	"time"

	"github.com/saltern-io/saltern/internal/metrics"
)

// Source is a daemon that can say how it is. Status is cheap, does not block for long and may be called at any
// time after the daemon was made; calls do not overlap.
type Source interface{ Status() Report }

// Paged is a Source with further pages, served as JSON on the status socket only, at "/" and the name. A page is asked
// for from any goroutine.
type Paged interface {
	Pages() map[string]func() any
}

// Report is the state of one daemon at one moment.
type Report struct {
	Program  string           `json:"program"` // "salt-master", "salt-syndic" or "salt-broker"
	Version  string           `json:"version"`
	Commit   string           `json:"commit,omitempty"`
	PID      int              `json:"pid"`
	Started  time.Time        `json:"started"`
	Ready    time.Time        `json:"ready,omitzero"` // zero while it does not serve
	Now      time.Time        `json:"now"`
	Sections []Section        `json:"sections"`
	Problems []Problem        `json:"problems"` // filled in by a Watcher
	Metrics  metrics.Snapshot `json:"metrics"`
}

// New begins the report of a program.
func New(program, version, commit string, now time.Time) Report {
	return Report{Program: program, Version: version, Commit: commit, PID: os.Getpid(), Started: metrics.Started(), Now: now}
}

// Section is one part of a daemon. Upstream is the entry in syndic_master when the part is a link, else "".
type Section struct {
	Title    string  `json:"title"`
	Upstream string  `json:"upstream,omitempty"`
	Rows     []Row   `json:"rows,omitempty"`
	Queues   []Queue `json:"queues,omitempty"`
	Links    []Link  `json:"links,omitempty"`
	Peers    []Peer  `json:"peers,omitempty"`
	Sums     []Sum   `json:"sums,omitempty"`
}

// Unit says how the value of a row is shown.
type Unit string

// The units of rows.
const (
	Count Unit = ""
	Bytes Unit = "bytes"
)

// Row is a named number, or a text when Text is set.
type Row struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
	Unit  Unit   `json:"unit,omitempty"`
	Text  string `json:"text,omitempty"`
}

// Queue is something bounded that work waits in. Name is one of the values of the label queue in the metrics
// catalogue. Bytes and MaxBytes are 0 when they are not bounded.
type Queue struct {
	Name     string `json:"name"`
	Depth    int64  `json:"depth"`
	Capacity int64  `json:"capacity"`
	Bytes    int64  `json:"bytes,omitempty"`
	MaxBytes int64  `json:"capacity_bytes,omitempty"`
	Oldest   Age    `json:"oldest_seconds"` // of the item that waits longest
}

// Fill is how full the queue is, by number or by bytes, whichever is more; 1 is full.
func (q Queue) Fill() float64 {
	var fill float64
	if q.Capacity > 0 {
		fill = float64(q.Depth) / float64(q.Capacity)
	}
	if q.MaxBytes > 0 {
		fill = max(fill, float64(q.Bytes)/float64(q.MaxBytes))
	}
	return fill
}

// Link is a connection to another daemon that ought to be up.
type Link struct {
	Name   string    `json:"name"`
	Up     bool      `json:"up"`
	State  string    `json:"state"` // the state machine's word, a verb form: "serving", "backing off"
	Since  time.Time `json:"since"` // when it entered State
	Level  int       `json:"level"` // protocol level, 0 before the first sign-in
	Reason string    `json:"reason,omitempty"`
}

// Sum says that two sides have to be equal: what came in, and where it is now.
type Sum struct {
	Name string `json:"name"` // one of the values of the label sum in the metrics catalogue
	In   []Term `json:"in"`
	Out  []Term `json:"out"`
	// Slack is how much may be under way between two counters while they move.
	Slack int64 `json:"slack,omitempty"`
	// Busy says that work is in hand that no counter shows, so that a difference proves nothing even while
	// the counters stand still.
	Busy bool `json:"busy,omitempty"`
}

// Term is one counter of a sum.
type Term struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// Difference is the left side minus the right side.
func (s Sum) Difference() (d int64) {
	for _, t := range s.In {
		d += t.Value
	}
	for _, t := range s.Out {
		d -= t.Value
	}
	return d
}

// Kinds of problems, values of the label kind in the metrics catalogue.
const (
	Starting   = "starting"
	LinkDown   = "link"
	QueueUp    = "queue"
	SumOff     = "sum"
	PeerSilent = "peer"
)

// Problem is a reason to call the daemon degraded.
type Problem struct {
	Kind     string `json:"kind"`
	Upstream string `json:"upstream,omitempty"`
	Name     string `json:"name,omitempty"`
	Text     string `json:"text"`
}

// Age is a duration that travels as seconds.
type Age time.Duration

// MarshalJSON writes seconds with milliseconds.
func (a Age) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(a).Milliseconds()) / 1000)
}

// UnmarshalJSON reads seconds.
func (a *Age) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	*a = Age(seconds * float64(time.Second))
	return nil
}

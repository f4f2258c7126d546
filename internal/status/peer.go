package status

import (
	"fmt"
	"time"
)

// Peer is a daemon that connects to this one by itself: a syndic, as its master sees it. Counts are since the start of this daemon.
type Peer struct {
	Name    string    `json:"name"`
	Seen    time.Time `json:"seen,omitzero"`    // last request; zero: none since the start
	Silent  bool      `json:"silent,omitempty"` // it asks regularly, and has not for too long
	Behind  int64     `json:"minions"`          // minions that it lists behind it
	Returns int64     `json:"returns"`
	Events  int64     `json:"events"`
	Repeats int64     `json:"repeats"` // of both, that were here before
	Fetched int64     `json:"fetched"` // publications that it had missed and asked for
}

func (p Peer) row(now time.Time) []string {
	heard := "never"
	if !p.Seen.IsZero() {
		heard = duration(now.Sub(p.Seen)) + " ago"
	}
	if p.Silent {
		heard += ", SILENT"
	}
	return []string{clean(p.Name), heard, thousands(p.Behind), thousands(p.Returns), thousands(p.Events), thousands(p.Repeats), thousands(p.Fetched)}
}

// peerTable shows peers; none gives no table.
func peerTable(peers []Peer, now time.Time) [][]string {
	if len(peers) == 0 {
		return nil
	}
	rows := [][]string{{"syndic", "last heard", "minions", "returns", "events", "repeated", "missed, fetched"}}
	for _, p := range peers {
		rows = append(rows, p.row(now))
	}
	return rows
}

// peer logs once when a peer falls silent and once when it is back.
func (w *Watcher) peer(p Peer) {
	e, _ := w.entry(PeerSilent, "", p.Name)
	if e == nil || e.told == p.Silent {
		return
	}
	e.told = p.Silent
	if p.Silent {
		w.log.Warn("Syndic is silent", "syndic", p.Name, "last_heard", p.Seen)
		return
	}
	w.log.Info("Syndic is back", "syndic", p.Name)
}

func silentText(p Peer, now time.Time) string {
	return fmt.Sprintf("syndic %s has not been heard of for %s", p.Name, duration(now.Sub(p.Seen)))
}

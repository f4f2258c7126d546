package master

import (
	"strconv"

	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/jobcache"
)

// addRequests adds the metrics of the request socket and of what its requests were.
func addRequests(b *metrics.Builder, n numbers) {
	s, q := n.own, n.reqs
	for level, count := range s.Levels {
		b.Add(metrics.RequestsByLevel, float64(count), strconv.Itoa(level))
	}
	for cmd, count := range s.Commands {
		b.Add(metrics.RequestsHandled, float64(count), cmd)
	}
	for _, r := range []struct {
		reason string
		count  int64
	}{
		{"malformed", s.Malformed + int64(q.Malformed)},
		{"refused", s.Refused},
		{"below_minimum", s.BelowMinimum},
		{"unknown", s.Unknown},
		{"failed", s.Failed},
	} {
		b.Add(metrics.RequestsRefused, float64(r.count), r.reason)
	}
	b.Add(metrics.SignIns, float64(s.SignIns))
	b.Add(metrics.AESRotations, float64(s.Rotations))
	b.Add(metrics.AESRotationsLate, float64(s.PutOff))
	b.Add(metrics.AuthAttempts, float64(s.Accepted), "success")
	b.Add(metrics.AuthAttempts, float64(s.Pending), "pending")
	b.Add(metrics.AuthAttempts, float64(s.AuthRefused), "rejected")
	b.Add(metrics.Connections, float64(q.Connections), "request")
	b.Add(metrics.Accepted, float64(q.Accepted), "request")
	b.Add(metrics.AcceptFailures, float64(q.AcceptFailures), "request")
	b.Add(metrics.HandshakeFailures, float64(q.HandshakeFailures), "request")
	b.Add(metrics.SocketReceived, float64(q.Received))
	b.Add(metrics.SocketSent, float64(q.Sent))
	b.Add(metrics.RepliesLost, float64(q.PeerGone), "peer_gone")
	b.Add(metrics.RepliesLost, float64(q.PeerFull), "peer_full")
	b.Add(metrics.RepliesLost, float64(q.SendErrors), "error")
	b.Add(metrics.RepliesLost, float64(q.NoDelimiter), "no_address")
	b.Add(metrics.RequestPanics, float64(q.Panics))
	for _, c := range q.Classes {
		b.Add(metrics.WorkersQueue, float64(c.Waiting), c.Name)
		b.Add(metrics.QueueReceived, float64(c.Received), c.Name)
		b.Add(metrics.QueueRefused, float64(c.Refused), c.Name)
		b.Add(metrics.QueueStalls, float64(c.Stalls), c.Name)
	}
}

// addPublications adds the metrics of the publish socket, and of returns as they come in.
func addPublications(b *metrics.Builder, n numbers) {
	s, p := n.own, n.pubs
	b.Add(metrics.JobsPublished, float64(s.Published))
	b.Add(metrics.PublicationsRefused, float64(s.NotPublished))
	b.Add(metrics.Returns, float64(s.Returns), "minion")
	b.Add(metrics.Returns, float64(s.SyndicRets), "syndic")
	b.Add(metrics.ReturnsDuplicate, float64(s.Duplicates))
	b.Add(metrics.ReturnsUnstored, float64(s.Unstored))
	b.Add(metrics.EventsDropped, float64(s.EventsLost))
	b.Add(metrics.Connections, float64(p.Connections), "publish")
	b.Add(metrics.Accepted, float64(p.Accepted), "publish")
	b.Add(metrics.AcceptFailures, float64(p.AcceptFailures), "publish")
	b.Add(metrics.HandshakeFailures, float64(p.HandshakeFailures), "publish")
	b.Add(metrics.PublishMessages, float64(p.Messages))
	b.Add(metrics.PublishBytes, float64(p.Bytes))
	b.Add(metrics.PublishStalls, float64(p.Stalls))
	b.Add(metrics.PublishCut, float64(p.Cut))
	b.Add(metrics.PublishAbandoned, float64(p.Abandoned))
}

// addJobCache adds the metrics of the store.
func addJobCache(b *metrics.Builder, j jobcache.Stats) {
	b.Add(metrics.JobCacheReturns, float64(j.ReturnsStored), "stored")
	b.Add(metrics.JobCacheReturns, float64(j.ReturnsDuplicate), "duplicate")
	b.Add(metrics.JobCacheReturns, float64(j.ReturnsSkipped), "skipped")
	b.Add(metrics.JobCacheReturns, float64(j.ReturnsFailed), "failed")
	b.Observe(metrics.JobCacheCommit, j.Groups, j.CommitTime.Seconds())
	b.Add(metrics.JobCacheWrites, float64(j.Writes))
	b.Add(metrics.JobCacheExpired, float64(j.JobsExpired))
	b.Add(metrics.JobCacheDisk, float64(j.DiskBytes))
	b.Add(metrics.JobCacheBacklog, float64(j.CompactionBacklog))
	b.Add(metrics.JobCacheMemory, float64(j.CacheBytes), "cache")
	b.Add(metrics.JobCacheMemory, float64(j.MemTableBytes), "tables")
	b.Add(metrics.QueueStalls, float64(j.QueueFullWaits), "jobcache")
}

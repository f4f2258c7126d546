package master

import (
	"context"
	"fmt"
	"time"

	"github.com/saltern-io/saltern/internal/config"
	"github.com/saltern-io/saltern/internal/jobexport"
	"github.com/saltern-io/saltern/internal/metrics"
	"github.com/saltern-io/saltern/internal/redisdb"
	"github.com/saltern-io/saltern/internal/status"
)

// exportMax is the bound of the job cache's export log, 0 when nothing is exported.
func exportMax(cfg *config.Master) int {
	if !cfg.ExportsJobs() {
		return 0
	}
	return cfg.ExportMax
}

// wireExport makes the exporter to Redis where master_job_cache or ext_job_cache names it (spec: job-cache §3). What is
// exported follows from what the job cache stores: with ext_job_cache that is the loads, as minions write the returns.
func (m *Master) wireExport(cfg *config.Master) error {
	if !cfg.ExportsJobs() {
		return nil
	}
	client, err := redisdb.Open(cfg.Redis)
	if err != nil {
		return fmt.Errorf("export of jobs: %w", err)
	}
	m.onClose("redis", client.Close)
	m.export = jobexport.New(jobexport.Config{
		Source: m.jobs, Client: client, Server: cfg.Redis.String(), Log: m.log,
		Keep: func() time.Duration { return m.cfg.Load().KeepJobs },
	})
	return nil
}

func (m *Master) runExport(ctx context.Context) error {
	if m.export != nil {
		m.export.Run(ctx)
	}
	return nil
}

// exportSection shows the export and adds its metrics; ok is false without one. The queue is on disk and its filling up is
// what an operator has to see; that Redis is away is a link that is down.
func (m *Master) exportSection(b *metrics.Builder, now time.Time) (s status.Section, ok bool) {
	if m.export == nil {
		return s, false
	}
	st := m.export.Stats()
	b.Add(metrics.ExportedChanges, float64(st.Exported), "exported")
	b.Add(metrics.ExportedChanges, float64(st.Refused), "refused")
	b.Add(metrics.ExportedChanges, float64(st.Expired), "expired")
	b.Add(metrics.ExportedChanges, float64(st.Log.Dropped), "dropped")
	b.Add(metrics.ExportRetries, float64(st.Retries))
	q := status.Queue{Name: "export", Depth: st.Log.Waiting, Capacity: st.Log.Capacity}
	if !st.Log.Oldest.IsZero() {
		q.Oldest = status.Age(max(now.Sub(st.Log.Oldest), 0))
	}
	state := "exporting"
	if !st.Connected {
		state = "away"
	}
	return status.Section{
		Title: "Export to Redis",
		Links: []status.Link{{Name: "redis", Up: st.Connected, State: state, Since: st.Since, Reason: st.Reason}},
		Rows: []status.Row{
			{Name: "changes exported", Value: int64(st.Exported)},
			{Name: "refused by Redis", Value: int64(st.Refused)},
			{Name: "expired before their turn", Value: int64(st.Expired)},
			{Name: "given up, the log was full", Value: int64(st.Log.Dropped)},
			{Name: "pipelines sent again", Value: int64(st.Retries)},
		},
		Queues: []status.Queue{q},
	}, true
}

package metrics

// The export of jobs to Redis.
var (
	ExportedChanges = define(Counter, "saltern_export_changes_total", "Loads and returns that left the export log, by what became of them. `dropped`: the log was full; `expired`: gone from the job cache before their turn.",
		Label{Name: "result", Values: []string{"exported", "refused", "expired", "dropped"}})
	ExportRetries = define(Counter, "saltern_export_retries_total", "Pipelines that had to be sent again.")
)

// The relay's taps, per stream.
var (
	TapPublications = define(Counter, "saltern_tap_publications_total", "Publications received from the master of masters.", upstreamLabel)
	TapWritten      = define(Counter, "saltern_tap_written_total", "Entries written to the stream.", upstreamLabel)
	TapDropped      = define(Counter, "saltern_tap_dropped_total", "Entries given up, by reason: the buffer was full, they were too old, the disk took nothing.", upstreamLabel,
		Label{Name: "reason", Values: []string{"full", "age", "disk"}})
)

// Outlets, per stream.
var (
	OutletEntries   = define(Counter, "saltern_outlet_entries_total", "Entries read from the stream.", upstreamLabel)
	OutletDelivered = define(Counter, "saltern_outlet_delivered_total", "Publications delivered, by the way that brought them first.", upstreamLabel,
		Label{Name: "way", Values: []string{"stream", "direct"}})
	OutletRepeated = define(Counter, "saltern_outlet_repeated_total", "Copies dropped: of other taps, of the direct link, of a read that was repeated.", upstreamLabel)
	OutletMissed   = define(Counter, "saltern_outlet_missed_total", "Publications reported instead of delivered, by reason.", upstreamLabel,
		Label{Name: "reason", Values: []string{"age", "epoch", "gap", "late", "refused", "unread"}})
	OutletLag      = define(Gauge, "saltern_outlet_lag_entries", "Entries of the stream that are not read yet.", upstreamLabel)
	OutletDelay    = define(Gauge, "saltern_outlet_lag_seconds", "Age of the last entry when it was delivered.", upstreamLabel)
	OutletResent   = define(Counter, "saltern_outlet_resent_total", "Publications sent again to a syndic that subscribed anew.", upstreamLabel)
	OutletRequests = define(Counter, "saltern_outlet_requests_total", "Requests passed on to the master of masters.", upstreamLabel)
)

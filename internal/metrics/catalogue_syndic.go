package metrics

// The syndic's links, per upstream. Items are returns and events.
var (
	SyndicReceived     = define(Counter, "saltern_syndic_received_total", "Items meant for the upstream.", upstreamLabel)
	SyndicStored       = define(Counter, "saltern_syndic_stored_total", "Items put into the outbox.", upstreamLabel)
	SyndicRestored     = define(Counter, "saltern_syndic_restored_total", "Items found in the outbox at the start.", upstreamLabel)
	SyndicForwarded    = define(Counter, "saltern_syndic_forwarded_total", "Items sent, those sent again included.", upstreamLabel)
	SyndicAcknowledged = define(Counter, "saltern_syndic_acknowledged_total", "Items the upstream took.", upstreamLabel)
	SyndicDuplicate    = define(Counter, "saltern_syndic_duplicate_total", "Items that were in the outbox, or through it, before.", upstreamLabel)
	SyndicRejected     = define(Counter, "saltern_syndic_rejected_total", "Items the outbox did not take.", upstreamLabel)
	SyndicRefused      = define(Counter, "saltern_syndic_refused_total", "Items given up because the upstream does not take them.", upstreamLabel)
	SyndicDropped      = define(Counter, "saltern_syndic_dropped_total", "Items dropped from the outbox by its limits of size and age.", upstreamLabel)
	SyndicRequests     = define(Counter, "saltern_syndic_requests_total", "Requests sent to the upstream.", upstreamLabel)
	SyndicFailures     = define(Counter, "saltern_syndic_failures_total", "Times the link failed.", upstreamLabel)
	SyndicPublications = define(Counter, "saltern_syndic_publications_total", "Publications received.", upstreamLabel)
	SyndicReplayed     = define(Counter, "saltern_syndic_replayed_total", "Publications ignored: of another topic or with an old serial.", upstreamLabel)
	SyndicMissed       = define(Counter, "saltern_syndic_missed_total", "Publications that the serials show as missed.", upstreamLabel)
	SyndicRecovered    = define(Counter, "saltern_syndic_recovered_total", "Missed publications that were fetched and run.", upstreamLabel)
	SyndicUnrecovered  = define(Counter, "saltern_syndic_unrecovered_total", "Missed publications that were reported on the bus instead.", upstreamLabel)
)

// The syndic's side towards its own master.
var (
	SyndicLocalEvents = define(Counter, "saltern_syndic_local_events_total", "Events read from the local bus.")
	SyndicRepeated    = define(Counter, "saltern_syndic_repeated_total", "Publications that had come over another way before.")
	SyndicIgnored     = define(Counter, "saltern_syndic_ignored_total", "Publications that came back to the master that made them.")
	SyndicNotTaken    = define(Counter, "saltern_syndic_not_taken_total", "Publications that the local master did not take.")
)

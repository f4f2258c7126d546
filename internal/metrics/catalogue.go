package metrics

// Labels that several metrics share.
var (
	queueLabel    = Label{Name: "queue", Values: []string{"minions", "auth", "control", "ping", "publish", "jobcache", "events", "outbox", "downstream", "requests", "export", "tap"}}
	poolLabel     = Label{Name: "pool", Values: []string{"minions", "auth", "control", "ping"}}
	upstreamLabel = Label{Name: "upstream", From: "`syndic_master`, for a broker `master`, for a relay the `name` of a tap or an outlet; `redis`; absent for what belongs to no upstream", Max: 64}
	socketLabel   = Label{Name: "socket", Values: []string{"request", "publish"}}
)

// What every daemon has.
var (
	BuildInfo = define(Gauge, "saltern_build_info", "Always 1; the build is in the labels.",
		Label{Name: "program", Values: []string{"salt-master", "salt-syndic", "salt-broker", "saltern-relay"}},
		Label{Name: "version", From: "the build", Max: 1}, Label{Name: "commit", From: "the build", Max: 1}, Label{Name: "go", From: "the build", Max: 1})
	Ready         = define(Gauge, "saltern_ready", "1 when the daemon serves.")
	StartTime     = define(Gauge, "saltern_process_start_time_seconds", "Start of the process, Unix time.")
	Uptime        = define(Gauge, "saltern_process_uptime_seconds", "Age of the process.")
	OpenFDs       = define(Gauge, "salt_process_open_fds", "Open file descriptors.")
	MaxFDs        = define(Gauge, "saltern_process_max_fds", "Limit of open file descriptors.")
	ResidentBytes = define(Gauge, "saltern_process_resident_memory_bytes", "Resident memory.")
	HeapBytes     = define(Gauge, "saltern_process_heap_bytes", "Memory of live and not yet collected objects.")
	Goroutines    = define(Gauge, "saltern_process_goroutines", "Goroutines.")
	MetricFaults  = define(Gauge, "saltern_metrics_faults", "Values left out because the catalogue does not allow them; a fault of the program.")
)

// Queues, links and sums: made from every status report.
var (
	QueueDepth    = define(Gauge, "saltern_queue_depth", "What waits in a queue.", queueLabel, upstreamLabel)
	QueueCapacity = define(Gauge, "saltern_queue_capacity", "How much can wait in a queue.", queueLabel, upstreamLabel)
	QueueBytes    = define(Gauge, "saltern_queue_bytes", "Bytes of what waits in a queue, where they are bounded.", queueLabel, upstreamLabel)
	QueueMaxBytes = define(Gauge, "saltern_queue_capacity_bytes", "How many bytes can wait in a queue.", queueLabel, upstreamLabel)
	QueueOldest   = define(Gauge, "saltern_queue_oldest_seconds", "How long the oldest item waits; for queues that keep no times at least that long, up to 5 s more.", queueLabel, upstreamLabel)
	LinkUp        = define(Gauge, "saltern_link_up", "1 when the link serves.", upstreamLabel)
	LinkSince     = define(Gauge, "saltern_link_since_seconds", "When the link entered its present state, Unix time.", upstreamLabel)
	LinkLevel     = define(Gauge, "saltern_link_level", "Protocol level in use, 0 before the first sign-in.", upstreamLabel)
	SumDifference = define(Gauge, "saltern_sum_difference", "What came in minus what went out or waits. Not 0 while work is under way.",
		Label{Name: "sum", Values: []string{"requests", "returns", "intake", "outbox"}}, upstreamLabel)
	SumOff   = define(Gauge, "saltern_sum_off", "1 when a sum was found not to balance.", Label{Name: "sum", Values: []string{"requests", "returns", "intake", "outbox"}}, upstreamLabel)
	Problems = define(Gauge, "saltern_problems", "What `saltern status` shows as degraded.",
		Label{Name: "kind", Values: []string{"starting", "link", "queue", "sum", "peer"}})
)

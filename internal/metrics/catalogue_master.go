package metrics

// The master's requests.
var (
	RequestsByLevel = define(Counter, "saltern_master_requests_total", "Requests with an envelope, by protocol level.",
		Label{Name: "level", Values: []string{"0", "1", "2", "3"}})
	RequestsHandled = define(Counter, "salt_master_requests_handled_total", "Encrypted requests, by command.",
		Label{Name: "cmd", From: "the table of commands", Max: 64})
	RequestsRefused = define(Counter, "saltern_master_requests_refused_total", "Requests that were not served, by reason.",
		Label{Name: "reason", Values: []string{"malformed", "refused", "below_minimum", "unknown", "failed"}})
	AuthAttempts = define(Counter, "salt_auth_attempts_total", "Sign-ins, by result. `pending` waits for acceptance.",
		Label{Name: "result", Values: []string{"success", "pending", "rejected"}})
	SignIns          = define(Counter, "saltern_master_sign_ins_total", "Sign-in requests, ill-formed ones included.")
	AESRotations     = define(Counter, "saltern_master_aes_rotations_total", "New AES keys.")
	AESRotationsLate = define(Counter, "saltern_master_aes_rotations_put_off_total", "Rotations that waited for saltern_rotation_gap, each for one or more deleted keys.")
	ConnectedMinions = define(Gauge, "salt_master_connected_minions_count", "Minions that proved themselves in the last ten minutes.")
	Keys             = define(Gauge, "saltern_master_keys", "Minion keys, by state; those that are not accepted are counted every 30 s.",
		Label{Name: "state", Values: []string{"accepted", "pending", "rejected", "denied"}})
	Syndics = define(Gauge, "saltern_master_syndics", "Syndics with an accepted key. `silent` ones used to ask for missed publications every 30 s and have not for two minutes, `unheard` ones sent nothing since the start.",
		Label{Name: "state", Values: []string{"heard", "silent", "unheard"}})
	WorkersQueue = define(Gauge, "salt_master_workers_queue_depth", "Requests taken and not answered, by cost class; the same as saltern_queue_depth.", poolLabel)
)

// The master's publications, returns and events.
var (
	JobsPublished       = define(Counter, "salt_jobs_published_total", "Publications sent. Salt's label `fun` is left out: its values are whatever users type.")
	PublicationsRefused = define(Counter, "saltern_master_publications_refused_total", "Publish requests that were refused.")
	Returns             = define(Counter, "saltern_master_returns_total", "Returns taken, by where they came from.",
		Label{Name: "origin", Values: []string{"minion", "syndic"}})
	ReturnsDuplicate = define(Counter, "saltern_master_returns_duplicate_total", "Returns that were here before.")
	ReturnsUnstored  = define(Counter, "saltern_master_returns_unstored_total", "Returns that only went to the event bus, as job_cache, ext_job_cache or the job ask for.")
	EventsFired      = define(Counter, "salt_events_fired_total", "Events on the local bus. Salt's label `tag_prefix` is left out: minions choose tags.")
	EventsDropped    = define(Counter, "saltern_master_minion_events_dropped_total", "Events of minions with a tag that is not theirs.")
	EventsLost       = define(Counter, "saltern_event_lost_total", "Events that a subscription inside the daemon had no room for.")
	SubscribersCut   = define(Counter, "saltern_event_subscribers_cut_total", "Readers of the bus that were disconnected because they were too slow.")
	Subscribers      = define(Gauge, "saltern_event_subscribers", "Readers of the bus now.",
		Label{Name: "kind", Values: []string{"local", "socket"}})
)

// The master's sockets.
var (
	Connections       = define(Gauge, "saltern_socket_connections", "TCP connections now, also those that have not shaken hands.", socketLabel)
	Accepted          = define(Counter, "saltern_socket_accepted_total", "TCP connections taken.", socketLabel)
	AcceptFailures    = define(Counter, "saltern_socket_accept_failures_total", "Connections not taken, mostly for want of descriptors.", socketLabel)
	HandshakeFailures = define(Counter, "saltern_socket_handshake_failures_total", "Connections that spoke something else or nothing.", socketLabel)
	SocketReceived    = define(Counter, "saltern_socket_requests_total", "Messages read from the request socket.")
	SocketSent        = define(Counter, "saltern_socket_replies_total", "Replies handed to the request socket.")
	RepliesLost       = define(Counter, "saltern_socket_replies_lost_total", "Replies that could not be handed on, and messages that could not be answered.",
		Label{Name: "reason", Values: []string{"peer_gone", "peer_full", "error", "no_address"}})
	RequestPanics    = define(Counter, "saltern_socket_request_panics_total", "Requests whose handling broke; answered all the same.")
	QueueReceived    = define(Counter, "saltern_queue_received_total", "Requests put into a class.", queueLabel)
	QueueRefused     = define(Counter, "saltern_queue_refused_total", "Requests answered at once because their class was full.", queueLabel)
	QueueStalls      = define(Counter, "saltern_queue_stalls_total", "How often whoever fills the queue had to wait for room.", queueLabel)
	PublishMessages  = define(Counter, "saltern_publish_messages_total", "Publications handed to the publish socket.")
	PublishBytes     = define(Counter, "saltern_publish_bytes_total", "Their bytes, once each.")
	PublishStalls    = define(Counter, "saltern_publish_stalls_total", "Bursts that waited for subscribers.")
	PublishCut       = define(Counter, "saltern_publish_cut_total", "Subscribers cut because they did not read: they missed publications.")
	PublishAbandoned = define(Counter, "saltern_publish_abandoned_total", "Publications whose requester gave up while they waited.")
)

// The master's job cache.
var (
	JobCacheReturns = define(Counter, "saltern_jobcache_returns_total", "Returns that were through the store, by outcome.",
		Label{Name: "outcome", Values: []string{"stored", "duplicate", "skipped", "failed"}})
	JobCacheCommit  = define(Summary, "saltern_jobcache_commit_seconds", "Time of group commits, sync included.")
	JobCacheWrites  = define(Counter, "saltern_jobcache_writes_total", "Writes in them.")
	JobCacheExpired = define(Counter, "saltern_jobcache_jobs_expired_total", "Jobs removed because of their age.")
	JobCacheDisk    = define(Gauge, "saltern_jobcache_disk_bytes", "Files of the store, logs and leftovers included.")
	JobCacheBacklog = define(Gauge, "saltern_jobcache_compaction_backlog_bytes", "What the engine still has to sort.")
	JobCacheMemory  = define(Gauge, "saltern_jobcache_memory_bytes", "Memory of the engine, by use.",
		Label{Name: "use", Values: []string{"cache", "tables"}})
)

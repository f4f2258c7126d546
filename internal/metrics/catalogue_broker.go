package metrics

var (
	brokerSocketLabel = Label{Name: "socket", Values: []string{"request", "publish"}}
	outcomeLabel      = Label{Name: "outcome", Values: []string{"replied", "refused", "gone", "forgotten"}}
	cutLabel          = Label{Name: "reason", Values: []string{"protocol", "handshake", "connections", "slow", "topics"}}
)

// The broker.
var (
	BrokerConnections      = define(Gauge, "saltern_broker_connections", "Connections of minions.", brokerSocketLabel)
	BrokerRequests         = define(Counter, "saltern_broker_requests_total", "Requests received that can be answered.")
	BrokerForwarded        = define(Counter, "saltern_broker_forwarded_total", "Requests sent to a master.")
	BrokerOutcomes         = define(Counter, "saltern_broker_outcomes_total", "What became of requests: replied by the master; refused here, so that the minion signs in again; the connection gone before the reply; forgotten without a reply.", outcomeLabel)
	BrokerWaiting          = define(Gauge, "saltern_broker_requests_waiting", "Requests that wait for room or a master; nothing more is read of their connections.")
	BrokerRepliesDropped   = define(Counter, "saltern_broker_replies_dropped_total", "Replies whose connection is gone or does not read.")
	BrokerMalformed        = define(Counter, "saltern_broker_malformed_total", "Messages on the request port without a delimiter.")
	BrokerPublicationsIn   = define(Counter, "saltern_broker_publications_received_total", "Publications received from the master in use.")
	BrokerPublicationsOut  = define(Counter, "saltern_broker_publications_sent_total", "Publications sent, one for each subscriber.")
	BrokerPublicationBytes = define(Counter, "saltern_broker_publication_bytes_total", "Bytes of the publications received.")
	BrokerSubscribers      = define(Gauge, "saltern_broker_subscribers", "Connections with a subscription.")
	BrokerTopics           = define(Gauge, "saltern_broker_topics", "Different topics of all subscribers.")
	BrokerCut              = define(Counter, "saltern_broker_cut_total", "Connections of minions ended by the broker.", brokerSocketLabel, cutLabel)
	BrokerMinions          = define(Gauge, "saltern_broker_minions", "Minions whose requests told their id: known, or heard of within 10 minutes (contact).",
		Label{Name: "state", Values: []string{"known", "contact"}})
	BrokerFailovers      = define(Counter, "saltern_broker_failovers_total", "Changes of the master in use.")
	BrokerGaps           = define(Counter, "saltern_broker_gaps_total", "Times that the subscription to the master in use was lost.")
	BrokerBounces        = define(Counter, "saltern_broker_bounces_total", "Times that the minions' subscriptions were closed after a gap.")
	BrokerStray          = define(Counter, "saltern_broker_stray_total", "Publications of a master that is not in use, dropped.")
	BrokerUpstreamActive = define(Gauge, "saltern_broker_upstream_active", "1 for the master in use.", upstreamLabel)
	BrokerUpstreamLosses = define(Counter, "saltern_broker_upstream_losses_total", "Times that a master was lost.", upstreamLabel)
)

"""Which counter of which part becomes which metric. One group per record; tests hold the table against the records."""

from net.rpc.metrics.exposition import Group, counter, gauge

PRIORITIES = ("control", "block", "transaction", "record", "bulk")
"""The driver's queues in their order (`net.core.effects.Priority`)."""

CHAIN = Group(
    "chain",
    (
        gauge("height", "height_blocks", "Height of the canonical head."),
        gauge("safe_height", "safe_height_blocks", "Height of the safe block."),
        gauge("finalized_height", "finalized_height_blocks", "Height of the finalized block."),
        gauge("time", "head_timestamp_seconds", "Time of the head, since the Unix epoch.", scale=0.001),
        gauge("interval", "head_interval_seconds", "Time between the head and its parent.", scale=0.001),
        gauge("handicap", "head_handicap_seconds", "Handicap of the head.", scale=0.001),
        gauge("schedule_error", "schedule_error_seconds", "Schedule error after the head.", scale=0.001),
        gauge("log_target_bits", "target_log2", "Base-2 logarithm of the head's target."),
        gauge("base_fee", "next_base_fee_wei", "Base fee per gas of the next block."),
        gauge("gas_used_ratio", "head_gas_used_ratio", "Part of the gas limit that the head used."),
        gauge("syncing", "syncing", "1 while the node catches up, else 0."),
    ),
)
"""Of `chain_metrics.ChainFacts`."""

IMPORTER = Group(
    "importer",
    (
        counter("imported", "imported_blocks", "Blocks executed and stored."),
        counter("invalid", "invalid_blocks", "Blocks that broke a rule."),
        counter("dropped", "dropped_blocks", "Blocks too far ahead, or beaten by two unripe siblings."),
        counter("head_moves", "head_moves", "Changes of the canonical head."),
        counter("reorganisations", "reorganisations", "Changes of the head that undid a block."),
        gauge("deepest_reorganisation", "deepest_reorganisation_blocks", "Most blocks undone by one change."),
        counter("deep_reorganisations", "deep_reorganisations", "Changes that undid over 20 blocks."),
        gauge("ripe", "ripe_blocks", "Recent ripe blocks of all branches."),
        gauge("unripe", "unripe_blocks", "Stored blocks that wait for their time."),
        gauge("orphans", "orphan_blocks", "Blocks that wait for their parent."),
    ),
)

MEMPOOL = Group(
    "mempool",
    (
        gauge("pending", "pending_transactions", "Transactions that could be mined next."),
        gauge("queued", "queued_transactions", "Transactions that wait for a lower nonce."),
        gauge("size_bytes", "size_bytes", "Encoded transactions held."),
        gauge("senders", "senders", "Accounts with waiting transactions."),
        gauge("journalled", "journalled_transactions", "Records in the journal of what RPC accepted."),
        counter("added", "added_transactions", "Transactions taken."),
        counter("replaced", "replaced_transactions", "Transactions replaced by better paying ones."),
        counter("evicted", "evicted_transactions", "Transactions dropped because the pool was full."),
        counter("expired", "expired_transactions", "Transactions dropped as too old or unpayable."),
        counter("mined", "mined_transactions", "Pooled transactions that were mined."),
        counter("restored", "restored_transactions", "Transactions taken back from undone blocks or the journal."),
        counter("refused", "refused_transactions", "Transactions refused, by rule.", label="rule"),
    ),
)

EXCHANGE = Group(
    "exchange",
    (
        gauge("neighbours", "neighbours", "Neighbours that exchange chain objects."),
        gauge("blocks_pending", "pending_blocks", "Announced blocks between claim and import."),
        gauge("blocks_waiting", "waiting_blocks", "Announced blocks whose parent is not imported."),
        gauge("blocks_held", "held_blocks", "Unripe blocks that are not relayed yet."),
        counter("blocks_accepted", "accepted_blocks", "Announced blocks that were good."),
        counter("blocks_rejected", "rejected_blocks", "Announced blocks that broke a rule."),
        counter("blocks_ignored", "ignored_blocks", "Announced blocks known or of no use."),
        counter("blocks_published", "published_blocks", "Own blocks announced."),
        counter("blocks_invalid", "falsely_filled_blocks", "Blocks with a true seal and a wrong body."),
        counter("seals_checked", "checked_seals", "Argon2id runs for announced blocks."),
        counter("parts_from_pool", "pool_parts", "Transactions of announced blocks that the pool had."),
        counter("parts_fetched", "fetched_parts", "Transactions of announced blocks that were fetched."),
        counter("bodies_fetched", "fetched_bodies", "Bodies of announced blocks that were fetched whole."),
        counter("transactions_accepted", "accepted_transactions", "Announced transactions that were good."),
        counter("transactions_rejected", "rejected_transactions", "Announced transactions that broke a rule."),
        counter("transactions_ignored", "ignored_transactions", "Announced transactions known or of no use."),
        counter("served_bytes", "served_bytes", "Answers to neighbours' requests."),
        counter("requests_refused", "refused_requests", "Neighbours' requests over their budget."),
        gauge("syncing", "syncing", "1 while the node catches up, else 0."),
        counter("syncs_completed", "completed_syncs", "Branches imported to their end."),
        counter("syncs_given_up", "given_up_syncs", "Branches that were given up."),
    ),
)

CONSENSUS = Group(
    "consensus",
    (
        gauge("network_hash_rate", "network_hashes_per_second", "Hash rate that the last blocks show."),
        gauge("mean_interval", "mean_interval_seconds", "Mean time between blocks.", scale=0.001),
        gauge("mean_handicap", "mean_handicap_seconds", "Mean handicap.", scale=0.001),
        gauge("tickets", "ticket_blocks", "Blocks of the long window that carried a ticket."),
        gauge("seal_bits_short", "seal_short_log2", "Mean of log2(pow) less the target over ten blocks."),
        gauge("seal_bits_long", "seal_long_log2", "Mean of log2(pow) less the target over a thousand blocks."),
        counter("alarms_begun", "alarms", "Alarms that began, by kind.", label="kind"),
    ),
)

MINER = Group(
    "miner",
    (
        gauge("height", "height_blocks", "Height worked on, 0 when idle."),
        gauge("hash_rate", "hashes_per_second", "Hash rate of this process over the last minute."),
        counter("hashes", "hashes", "Hashes tried."),
        counter("published", "published_blocks", "Blocks shown to the network, improvements included."),
        counter("templates", "templates", "Bodies put together."),
        counter("workers", "worker_shares", "Valid shares, by worker.", label="worker", member="shares"),
        counter("workers", "worker_blocks", "Best seals, by worker.", label="worker", member="blocks"),
        counter("workers", "worker_stale_shares", "Shares that came too late.", label="worker", member="stale"),
        counter("workers", "worker_refused_shares", "Weak or repeated shares.", label="worker", member="refused"),
    ),
)

TICKETS = Group(
    "ticket",
    (
        counter("accepted", "accepted_tickets", "Tickets relayed."),
        counter("rejected", "rejected_tickets", "Tickets that were false."),
        counter("ignored", "ignored_tickets", "Tickets not better, seen before, or for no known parent."),
        counter("published", "published_tickets", "Own tickets published."),
        gauge("held", "held_tickets", "Early tickets held now."),
    ),
)

RPC = Group(
    "rpc",
    (
        counter("calls.calls", "calls", "Calls, by method.", label="method"),
        counter("calls.errors", "errors", "Errors answered, by code.", label="code"),
        counter("calls.faults", "faults", "Calls that failed by a fault of the node."),
        counter("http.requests", "requests", "HTTP requests."),
        counter("http.refused", "refused_requests", "HTTP requests turned away, by cause.", label="cause"),
        gauge("http.sockets", "websockets", "WebSockets open."),
        gauge("http.bytes_in_flight", "in_flight_bytes", "Request bodies being read and answered."),
        gauge("http.unread_bytes", "unread_bytes", "Answers and notifications waiting for WebSockets."),
        gauge("connections", "connections", "Connections open."),
        counter("connections_refused", "refused_connections", "Connections closed at once."),
        gauge("filters", "filters", "Filters that clients poll."),
        counter("filters_expired", "expired_filters", "Filters forgotten."),
        gauge("subscriptions", "subscriptions", "Subscriptions of WebSockets."),
        counter("notifications", "notifications", "Notifications sent."),
        counter("heads_skipped", "skipped_heads", "Blocks not told to subscribers during a catch-up."),
        gauge("worker_calls", "worker_calls", "Calls that run in or wait for worker threads."),
    ),
)

LINKS = Group(
    "link",
    (
        gauge("links.open", "open", "WebRTC links open."),
        gauge("links.setups", "setups", "Link set-ups in progress."),
        counter("links.opened", "opened", "Links that came up."),
        counter("links.failed", "failed_setups", "Link set-ups that failed, by step.", label="step"),
        counter("links.faults", "faults", "Links ended because the peer broke a rule of the transport."),
        counter("links.frames_in", "received_frames", "Frames received."),
        counter("links.bytes_in", "received_bytes", "Bytes received."),
        counter("links.frames_out", "sent_frames", "Frames sent.", label="priority", keys=PRIORITIES),
        counter("links.bytes_out", "sent_bytes", "Bytes sent.", label="priority", keys=PRIORITIES),
        counter("links.frames_dropped", "dropped_frames", "Frames dropped.", label="priority", keys=PRIORITIES),
        gauge("links.bytes_waiting", "waiting_bytes", "Bytes in queues.", label="priority", keys=PRIORITIES),
        gauge("calls", "rendezvous_calls", "Own rendezvous calls in progress."),
        counter("calls_failed", "failed_rendezvous_calls", "Own rendezvous calls that failed."),
        counter("ticks", "ticks", "Ticks of the mesh."),
        counter("alarms", "alarms", "Alarms, by kind.", label="kind"),
        gauge("rendezvous.open", "rendezvous_connections", "Newcomers connected to the rendezvous."),
        counter("rendezvous.accepted", "rendezvous_accepted", "Newcomers' connections taken."),
        counter("rendezvous.refused", "rendezvous_refused", "Newcomers' connections over a limit."),
        counter("rendezvous.answered", "rendezvous_answered", "Newcomers' calls answered."),
        counter("stun.answered", "stun_answered", "STUN requests answered."),
        counter("stun.limited", "stun_limited", "STUN requests over the rate."),
        counter("stun.malformed", "stun_malformed", "Packets that were no STUN request."),
    ),
)
"""Of the driver (`net.transport.driver.DriverStatistics`)."""

MESH = Group(
    "mesh",
    (
        counter("links_rendezvous", "rendezvous_links", "Links that came up by first contact."),
        counter("links_rendezvous_own", "own_rendezvous_links", "Of these, links this node asked for."),
        counter("links_relayed", "relayed_links", "Links that came up by offers over the mesh."),
        gauge("links_up", "listed_links", "Listed links."),
        counter("links_lost", "lost_links", "Links that were up and ended."),
        counter("links_annoying", "annoying_links", "Links ended because the neighbour wasted this node's time."),
        counter("links_moved", "moved_links", "Own links that went over to a newcomer."),
        counter("frames", "received_frames", "Frames received.", label="kind", member="frames_in"),
        counter("frames", "received_bytes", "Bytes of frames received.", label="kind", member="bytes_in"),
        counter("frames", "sent_frames", "Frames sent.", label="kind", member="frames_out"),
        counter("frames", "sent_bytes", "Bytes of frames sent.", label="kind", member="bytes_out"),
        counter("refusals", "refusals", "Refusals received over the mesh, by cause.", label="cause"),
        counter("setup.dialled", "dialled_links", "Own offers sent over the mesh."),
        counter("setup.called", "called_links", "Own rendezvous calls."),
        counter("setup.answered", "answered_links", "Offers of others that were answered."),
        counter("setup.glares", "glares", "Own offers withdrawn for the other side's."),
        counter("setup.displaced", "displaced_links", "Slow set-ups whose place went to the next asker."),
        counter("setup.failed", "failed_links", "Set-ups that failed."),
        counter("courier.sent", "sent_direct_messages", "Own direct messages."),
        counter("courier.relayed", "relayed_direct_messages", "Direct messages relayed."),
        counter("courier.delivered", "delivered_direct_messages", "Direct messages for this node."),
        counter("courier.confirmed", "confirmed_direct_messages", "Own direct messages acknowledged."),
        counter("courier.retried", "retried_direct_messages", "Own direct messages sent again."),
        counter("courier.rerouted", "rerouted_direct_messages", "Direct messages given another way."),
        counter("courier.dropped", "dropped_direct_messages", "Direct messages not relayed."),
        counter("relay.published", "published_messages", "Own messages published."),
        counter("relay.arrived", "arrived_messages", "Messages handed up for a verdict."),
        counter("relay.accepted", "accepted_messages", "Messages relayed."),
        counter("relay.duplicates", "duplicate_messages", "Whole copies of messages seen before."),
        counter("relay.pulls", "pulled_messages", "Announced messages asked for."),
        counter("relay.stalls", "stalled_messages", "Messages announced, pulled, and not sent."),
        counter("relay.overflowed", "overflowed_messages", "Messages dropped for want of verdicts."),
        counter("requests.asked", "asked_requests", "Own requests."),
        counter("requests.answered", "answered_requests", "Own requests that were answered."),
        counter("requests.failed", "failed_requests", "Own requests that failed."),
        counter("requests.taken", "taken_requests", "Peers' requests taken."),
        counter("requests.refused", "refused_requests", "Peers' requests refused."),
        gauge("clock.offset", "clock_offset_seconds", "Mesh time less this machine's.", scale=0.001),
        gauge("clock.target", "clock_target_seconds", "Where the median of the samples stands.", scale=0.001),
        gauge("clock.sources", "clock_sources", "Peers with a clock sample."),
        gauge("clock.supporting", "clock_supporting", "Peers whose sample agrees."),
        gauge("clock.agreed", "clock_agreed", "1 when the mesh clock is agreed on, else 0."),
        gauge("gossip.peers", "map_peers", "Peers on the map."),
        counter("gossip.applied", "applied_records", "Map records taken."),
        counter("gossip.repeated", "repeated_records", "Map records that were here already."),
        counter("gossip.refused", "refused_records", "Map records refused, by cause.", label="cause"),
        gauge("gossip.held", "held_records", "Map records that wait for their origin's turn."),
        gauge("gossip.waiting", "waiting_records", "Map records that wait for links."),
        counter("gossip.signatures", "checked_signatures", "Signatures of records checked."),
        counter("gossip.proofs", "checked_proofs", "Proofs of work of ids checked."),
        counter("gossip.signed", "signed_records", "Own records signed."),
        gauge("gossip.eager", "eager_links", "Links that get records at once."),
        counter("gossip.expelled", "expelled_peers", "Ids expelled for equivocation."),
        counter("guard.dropped", "limited_frames", "Frames over their allowance, by kind.", label="kind"),
        counter("guard.strikes", "strikes", "Strikes given."),
        counter("guard.bans", "bans", "Bans pronounced."),
        gauge("guard.banned", "banned_peers", "Peers on the ban list."),
        counter("guard.argon2", "guarded_proofs", "Proofs of work checked for neighbours."),
        counter("guard.signatures", "guarded_signatures", "Signatures checked for neighbours."),
    ),
)
"""Of the mesh (`net.core.mesh_report.MeshStatistics`)."""

HEALTH = Group(
    "health",
    (
        counter("surveys", "surveys", "Surveys of the map."),
        gauge("at", "survey_timestamp_seconds", "Time of the last survey, since the Unix epoch.", scale=0.001),
        gauge("peers", "peers", "Peers on the map."),
        gauge("linked", "linked_peers", "Peers that have links."),
        gauge("reached", "reached_peers", "Peers in this node's piece of the network."),
        gauge("components", "components", "Pieces of the network."),
        gauge("links", "links", "Links that both ends confirm."),
        gauge("mean_degree", "mean_degree_links", "Links per peer in the largest piece."),
        gauge("gap", "spectral_gap_ratio", "Spectral gap: 0 is torn, 0.45 a random graph of degree 13."),
        gauge("distance", "mean_distance_hops", "Mean distance of two peers."),
        gauge("least_distance", "least_distance_hops", "Mean distance that no graph with these degrees beats."),
        gauge("bridges", "bridge_links", "Links whose loss cuts somebody off."),
        gauge("articulations", "articulation_peers", "Peers whose loss cuts somebody else off."),
        gauge("severed", "severed_peers", "Peers that hang on the gravest of these alone."),
        gauge("cut_links", "cut_links", "Links across the weakest cut."),
        gauge("cut_expected", "cut_expected_links", "Links that chance would give across it."),
        gauge("cut_side", "cut_peers", "Peers on the smaller side of the weakest cut."),
        gauge("own_domain_links", "own_domain_links", "Own links into the domain that holds most past its due."),
        gauge("domains", "domain_ratio", "Part of the network in a large failure domain.", label="domain"),
        gauge("remains", "remains_ratio", "Part of the others in one piece without the domain.", label="domain"),
        gauge("alarms", "alarm", "1 while the alarm is in force, by kind.", label="kind"),
    ),
)
"""Of the map's health (`net.core.health.monitor.HealthStatistics`); nothing before the first survey."""

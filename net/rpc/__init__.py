"""JSON-RPC over HTTP and WebSocket for wallets, miners and operators, and the metrics page.

`server.RpcServer` is what the composition root builds: from `ports.RpcParts` (what it reads and calls), a
`policy.RpcPolicy` (whom it serves and within which limits) and one `events.Events` hub, which the root tells of new
heads, pending transactions and map events. `metrics.server.MetricsServer` serves the counters of all parts.

Leaves to others: what is valid (`chain`), who may seal (`consensus`), how peers meet (`net.core`). No method reads,
holds or uses a private key.
"""

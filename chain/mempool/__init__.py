"""Transactions that wait for a block: what this node holds, in which order it offers them, what it forgets first.

Knows nothing of peers or requests; `pool.Mempool` is the one class its callers (exchange, RPC, template) hold.
"""

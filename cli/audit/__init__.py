"""The audit of the coins: recomputes from blocks what was issued and burnt, and compares it with every balance.

Independent of the supply record that the node keeps: it starts from headers, tickets, transactions and receipts, over
RPC (`over_rpc`) or from a stopped node's database (`from_database`).
"""

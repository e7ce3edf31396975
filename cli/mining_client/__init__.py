"""A miner in a process of its own, which knows a node by its RPC alone.

`orders` reads the node's work, `session` decides what to hash and what to hand in (sans-IO), `link` talks JSON-RPC,
`report` tells the operator, `driver` joins them around the hash threads. What a block is, and who earned it, is left
to the node: a farm is many of these behind one node with one reward address.
"""

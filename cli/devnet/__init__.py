"""A whole network on one machine: starts node processes, watches them over RPC, stops them together.

It only uses what an operator could: `mappemonde run` with flags, and the nodes' RPC.
"""

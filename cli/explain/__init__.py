"""Why a block has its time and why a transaction waits: pure arithmetic over what a node's RPC tells.

The commands `why` and `show` fetch the facts and print what comes out of here; nothing here asks anybody.
"""

"""A user's accounts at the command line: key files, mnemonics, amounts, and transactions through a node's RPC.

Secrets stay in this process: a node only sees signed transactions. The commands in `cli.commands.wallet` parse and
print; `cli.staking` uses the same parts for deposits.
"""

"""Staking at the command line: validator key files, the staking account over RPC, and what tickets have earned."""

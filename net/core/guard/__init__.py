"""What keeps a peer from costing too much: token buckets per link and frame kind, strikes, bans.

`Guard` is asked before a frame is handled and told of every fault; it answers whether to go on, and with effects that
close links. It does not know what frames mean.
"""

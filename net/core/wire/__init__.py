"""What travels on links and in rendezvous calls: records and their codecs, a file for each kind of frame.

Every `decode_*` bounds each length before it allocates and raises only `Malformed`. What the messages mean is for the
parts of the core that send and receive them.
"""

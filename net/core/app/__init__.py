"""Applications on the mesh: numbered topics, published messages, requests to neighbours.

What goes on the wire whole or in parts is cut here; relaying published messages is `net.core.relay`'s part. The mesh's
caller registers its topics as `TopicSpec`s and gets `Validate`, `Requested`, `Responded` and `RequestFailed` effects.
"""

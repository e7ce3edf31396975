"""The network's edge: WebRTC links, rendezvous, STUN, and the driver that holds the mesh and its clock.

All sockets, tasks and timers of the network live here. What is decided, is decided in `net.core`: the driver carries
out its effects in order and reports back. `sdp`, `queues` and `buckets` are sans-IO; `guard` and `ice` hold what
reaches into aiortc and aioice; `webrtc` is one link, `links` all of them, `rendezvous`, `names` and `stun` the first
contact. Its caller (the composition root) constructs one `driver.Driver`, hands it the ports of `ports`, and runs it.
"""

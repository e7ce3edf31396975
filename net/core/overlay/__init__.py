"""Links: how they are offered, proved, listed, kept and chosen (DESIGN sections 3.3 and 3.4).

The machines here decide; `net.core.mesh` carries their words: signals by `net.core.routing` or a rendezvous call, and
frames on the link. What the map says they are told through plain values, so that each can be tested alone.
"""

"""Direct messages: routed by their source, encrypted for their target, acknowledged by each relay (DESIGN 3.4).

Who may be a hop: the first hop is any neighbour whose link is up, a guest's host and a host's guest included; every
further hop follows a link that both ends list. A joiner, which is on nobody's map, therefore speaks through its host;
its answers come back on the reverse of the question's path, for which no map is needed.

`Courier` is the machine. Its caller hands it DIRECT and DIRECT_ACK frames, tells it who is linked, and acts on
`Delivered` and `Unheard`.
"""

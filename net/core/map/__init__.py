"""The global map: `PeerMap` (what is known), `Gossip` (how it spreads), reconciliation (how gaps close).

Knows identity and wire only. The other parts of the core read it through `view.MapView`; `mesh` feeds the machines
and carries out what they return: frames, map events, blobs to persist, faults for the guard.
"""

"""The topology of 10^4 to 10^6 peers in numpy arrays, under the same rules of neighbour choice (DESIGN section 3.10).

No frames, no clocks, no maps: every peer sees the true links of a moment ago, and time passes in rounds. `rules` holds
the numbers (from `MeshConfig`), `network` the state, `life` what a round does to it, `graph` the measures and the
random graph they are compared with, `failures` what is left after a crash, `sybil` the adversary that fills every slot
it may. `topology` puts them together for `mappemonde simulate topology`; `bench.array_model` compares the model with
the exact simulator. Left out: failure domains, reachability, private hashes of one slot over time (each choice is a
fresh draw), reseed, tuning for latency.
"""

"""Consensus in virtual time: miners, stakers, delays and attackers over the production functions.

Only chance is replaced: hashes and VRF outputs are seeded draws by their exact laws, so that hash rates of any size
cost nothing. Targets, times, weights, handicaps and the choice of the head are computed by `consensus` and `chain` as
a node computes them. `scenarios.run_scenario` is the one function its caller (`mappemonde simulate consensus`) needs.
Floats are at home here: nothing that leaves this package is consensus.
"""

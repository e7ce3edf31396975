"""Who may seal a block, and when (DESIGN section 5; docs/protocol/consensus.md).

`fixedpoint`, `schedule`, `ripening`, `seal`, `vrf` and `ticket` are functions on integers; `rules.ConsensusRules` puts
them in the order of their cost behind `chain.ports.SealRules`. `miner`, `staker`, `ticket_relay` and `statistics` are
sans-IO machines for the node's event loop, `hashing` the loop of a hash thread, `template` what a miner seals. `sim`
runs the same functions in virtual time. Knows nothing of links, disks or requests: its caller carries the effects out.
"""

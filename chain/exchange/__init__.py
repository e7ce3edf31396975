"""How nodes exchange chain objects: announced blocks and transactions, answers to peers, catch-up; sans-IO.

Leaves what is valid to `chain`, who may seal to `chain.ports.SealRules`, and the wire to the mesh. Its caller holds one
`exchange.Exchange` and carries out the `effects` it returns.
"""

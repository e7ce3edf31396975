"""The floor of the node: hashes, keys, encodings, units, errors. Knows nothing of chains or networks."""

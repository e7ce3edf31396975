"""One document per network, read by `chain.genesis`: data, no code."""

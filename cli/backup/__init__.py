"""A complete copy of a stopped node's data directory: what is in it, and how it is copied and checked."""

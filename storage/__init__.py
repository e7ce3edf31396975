"""Where bytes rest: a key-value port with LevelDB and memory behind it, and what the node keeps on it.

`leveldb.open_level` (or `memory.MemoryStore`) gives a store, `migrations.claim` checks that it is this network's,
`chain_store.ChainStore`, `bucket.Bucket` and `archive.RecordArchive` lay their data on it. Every failure is a
`StorageError` with one line that says what to do. What is valid is the chain's business, not this package's.
"""

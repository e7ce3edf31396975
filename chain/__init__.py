"""What is valid and what the state is: synchronous, pure but for injected ports.

Leaves who may seal and when to `consensus`, where bytes rest to `storage`, and how they travel to `net`.
Callers build an `importer.Importer` over a `ports.ChainStore` and read through `views.ChainView`.
"""

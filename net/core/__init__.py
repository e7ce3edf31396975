"""The network as sans-IO machines: the global map and all that lives on it.

`mesh.Mesh` is the one class a driver holds; it returns the records of `effects` and is fed through its methods.
The cores know no sockets, clocks or threads: `now` and randomness are arguments. `app` is the public API on which
applications (blocks are the first) exchange messages.
"""

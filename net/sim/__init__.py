"""A virtual-time world that drives the same `net.core.mesh.Mesh` as the real driver (DESIGN section 3.10).

`World` is the clock and the wires, `SimNode` the driver of one mesh in it, `scenarios` are small stories told with
them. `measures`, `truth` and `traffic` are read off, `pictures` drawn; `settlement` makes a network at once, `saved`
keeps one on disk, `arrays` has up to a million peers without meshes. The same seed gives the same byte stream:
`World.digest` shows it.
"""

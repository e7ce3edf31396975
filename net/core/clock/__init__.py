"""Mesh time: what the peers agree the time is, without an outside clock (DESIGN section 3.7).

`MeshClock` takes four-timestamp samples and returns the time; who is asked, and by which frames, is the mesh's part.
"""

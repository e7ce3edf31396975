"""Blocks in a file: the canonical chain written as a stream, and taken in again through the one importer.

`stream` is the format, `writing` and `reading` the two ways, `pace` tells how fast it goes. Files and threads belong to
the commands `export` and `import`, which open what is needed and print what these return.
"""

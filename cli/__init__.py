"""The command line and the composition root: the only package that knows every other one.

`main` holds the commands, `config` the settings of a node, `node` puts the parts together, `workers` the threads.
"""

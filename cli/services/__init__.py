"""The parts of a running node on the event loop: they carry the cores' effects to threads, links and each other.

Each service drives one sans-IO core. None of them decides anything about protocol; `cli.node` puts them together.
"""

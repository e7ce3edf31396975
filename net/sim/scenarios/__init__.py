"""Small stories in the virtual-time world, one a file: each returns a record of what was measured."""

"""The commands, a file for each group of them. They parse and print; the work is done elsewhere."""

"""One script per claimed speed, each with a named reference in the same run: `python -m bench` runs them all."""

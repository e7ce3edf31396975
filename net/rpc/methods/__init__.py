"""The methods, one file per subject; each file offers a function that returns its `registry.Method` records."""

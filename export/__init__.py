"""A task becomes artefacts, each run in its own runtime and compared before it counts."""

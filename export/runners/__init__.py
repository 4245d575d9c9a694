"""Scripts that run one artefact in a separate process, without this package."""

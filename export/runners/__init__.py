"""Scripts that run one artefact in a process of its own, where this package is not to be had."""

"""Programs with another backend of Keras, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

# Where the Makefile puts it: in the environment itself TensorFlow would import it everywhere.
JAX = Path(sys.prefix) / "jax"


def run_python(*arguments, backend, variables=None, **options):
    """Runs Python; options are those of `subprocess.run`, and more environment variables."""
    environment = {**os.environ, "KERAS_BACKEND": backend, **(variables or {})}
    if backend == "jax":
        assert JAX.is_dir(), f"there is no JAX in {JAX}; make .venv/test installs it"
        paths = [os.environ.get("PYTHONPATH", ""), str(JAX)]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )

"""Keeping the chatter of C++ libraries off the user's screen."""

import contextlib
import os


@contextlib.contextmanager
def silent_stderr():
    """Drops what is written to file descriptor 2; Python's exceptions still come through.

    TensorFlow and its converter log there directly, before and beside every setting.
    """
    saved = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def import_tensorflow():
    """Imports TensorFlow without its start-up messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silent_stderr():
        import tensorflow  # noqa: F401
        import tensorflow_text  # noqa: F401

"""Keeping the chatter of C++ libraries off the user's screen."""

import contextlib
import os

from attention_zoo.streams import exit_on_interrupt


@contextlib.contextmanager
def silent_stderr():
    """Drops what is written to file descriptor 2; Python's exceptions still come through.

    TensorFlow and its converter log there directly, before and beside every setting.

    Yields:
        A descriptor that still writes there.
    """
    saved = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield saved
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def import_tensorflow():
    """Imports TensorFlow without its start-up messages; Ctrl-C ends the process meanwhile."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silent_stderr() as messages, exit_on_interrupt(messages):
        import tensorflow  # noqa: F401
        import tensorflow_text  # noqa: F401

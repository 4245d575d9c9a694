"""Imports TensorFlow for the command line, and hides its log messages."""

import contextlib
import os

from attention_zoo.streams import exit_on_interrupt, say


@contextlib.contextmanager
def silent_stderr():
    """Discards output to file descriptor 2; Python exceptions are not affected.

    TensorFlow and its converter write there directly, and ignore log settings.

    Yields:
        A descriptor that still writes to standard error.
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
    """Imports TensorFlow without its start-up messages, and Keras with its backend.

    Ctrl-C ends the process meanwhile. A different `KERAS_BACKEND` is ignored with a message, but
    left in the environment for child processes.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    named = os.environ.get("KERAS_BACKEND")
    if named not in (None, "tensorflow"):
        say(f"KERAS_BACKEND={named} is ignored: tasks run on TensorFlow")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with silent_stderr() as messages, exit_on_interrupt(messages):
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
            import tensorflow_text  # noqa: F401
    finally:
        if named is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = named

"""Starting TensorFlow for the command line, and keeping its chatter off the user's screen."""

import contextlib
import os

from attention_zoo.streams import exit_on_interrupt, say


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
    """Imports TensorFlow without its start-up messages, and Keras on its backend.

    Ctrl-C ends the process meanwhile. A `KERAS_BACKEND` that was set for another project is
    said to be set aside, and stays as it is for the programs that are started from here.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    named = os.environ.get("KERAS_BACKEND")
    if named not in (None, "tensorflow"):
        say(f"KERAS_BACKEND={named} is set aside: tasks run on TensorFlow")
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

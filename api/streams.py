"""Handles standard streams that are closed, full or without a reader, and Ctrl-C at any time."""

import contextlib
import errno
import io
import os
import signal
import sys
import threading

_INTERRUPTED = 130  # as shells report it


class StreamError(Exception):
    """An error of standard input or output, as opposed to an `OSError` of another file.

    Attributes:
        reader_left: whether the output no longer has a reader, as after `| head`.
    """

    def __init__(self, action, error):
        super().__init__(f"cannot {action}: {error.strerror or error}")
        self.reader_left = error.errno == errno.EPIPE


class Interrupted(BaseException):
    """Ctrl-C. Not a `KeyboardInterrupt`, which command-line libraries handle themselves."""


class _Output(io.TextIOWrapper):
    """Standard output whose errors are distinguished from those of files."""

    def write(self, text):
        try:
            return super().write(text)
        except OSError as error:
            raise StreamError("write standard output", error) from error

    def flush(self):
        try:
            super().flush()
        except OSError as error:
            raise StreamError("write standard output", error) from error


class _Messages(io.TextIOWrapper):
    """Standard error; a missing reader does not stop a training."""

    def write(self, text):
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self):
        with contextlib.suppress(OSError):
            super().flush()


def open_streams():
    """Makes the standard streams safe to use, even if the process was started without them.

    Descriptors of closed streams are reopened; otherwise the next opened file would get the
    descriptor, and output of libraries would end up in it. Reading and writing still fail.
    """
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # Opens the lowest free descriptor, which is this one.
            os.open(os.devnull, mode)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _wrapped(sys.stdout, 1, _Output)
    sys.stderr = _wrapped(sys.stderr, 2, _Messages)


def _wrapped(stream, descriptor, kind):
    binary = open(descriptor, "wb", closefd=False)  # noqa: SIM115
    encoding = getattr(stream, "encoding", "utf-8")
    # Characters that a terminal cannot show are escaped.
    return kind(binary, encoding, errors="backslashreplace", line_buffering=binary.isatty())


def say(message):
    """Prints a line of text to standard error."""
    print(message, file=sys.stderr, flush=True)


def drop_output():
    """Discards unwritten output, so that flushing does not fail again at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def raise_on_interrupt():
    """Makes Ctrl-C raise `Interrupted`."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _raise_interrupted)


def _raise_interrupted(number, frame):
    raise Interrupted


def exit_with(status):
    """Ends the process; from now on Ctrl-C ends it without a traceback."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)


@contextlib.contextmanager
def exit_on_interrupt(descriptor=2):
    """Makes Ctrl-C end the process at once, where an exception would be lost.

    C++ extensions that are being imported swallow the exception or raise a different one.

    Args:
        descriptor: the file descriptor for the message.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number, frame):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"attention-zoo: interrupted\n")
        os._exit(_INTERRUPTED)

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

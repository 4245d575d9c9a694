"""Standard streams that may be closed, full or left by their reader, and Ctrl-C at any time."""

import contextlib
import errno
import io
import os
import signal
import sys
import threading

_INTERRUPTED = 130  # as shells report it


class StreamError(Exception):
    """Standard output or input that cannot be used, unlike any file by an `OSError` of its own.

    Attributes:
        reader_left: whether nobody reads the output any more, as after `| head`.
    """

    def __init__(self, action, error):
        super().__init__(f"cannot {action}: {error.strerror or error}")
        self.reader_left = error.errno == errno.EPIPE


class Interrupted(BaseException):
    """Ctrl-C. Not a `KeyboardInterrupt`, of which command-line libraries make what they like."""


class _Output(io.TextIOWrapper):
    """Standard output whose errors are told from those of files."""

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
    """Standard error: that nobody reads it is no reason to stop a training."""

    def write(self, text):
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self):
        with contextlib.suppress(OSError):
            super().flush()


def open_streams():
    """Makes the standard streams safe to use, whatever the process was started with.

    A closed one gets its descriptor back, or the next file that is opened would have it, and
    what libraries print would end up in that file. Reading and writing it still fail.
    """
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest that is free, so this one.
            os.open(os.devnull, mode)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _wrapped(sys.stdout, 1, _Output)
    sys.stderr = _wrapped(sys.stderr, 2, _Messages)


def _wrapped(stream, descriptor, kind):
    binary = open(descriptor, "wb", closefd=False)  # noqa: SIM115
    encoding = getattr(stream, "encoding", "utf-8")
    # A terminal that cannot show a character shows its number.
    return kind(binary, encoding, errors="backslashreplace", line_buffering=binary.isatty())


def say(message):
    """Prints a line of text on standard error."""
    print(message, file=sys.stderr, flush=True)


def drop_output():
    """Forgets what standard output could not take, so that nothing fails again at the end."""
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
    """Ends the process; Ctrl-C from here on ends it too, without a traceback."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)


@contextlib.contextmanager
def exit_on_interrupt(descriptor=2):
    """Makes Ctrl-C end the process at once, where an exception would be lost or misread.

    Modules of C++ that are being imported make other errors of it, or none.

    Args:
        descriptor: where to say so.
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

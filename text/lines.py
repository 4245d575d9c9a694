"""The bytes and lines of files that people hand in, and how much of them is read.

A line ends with a newline, before which a carriage return may stand, and with nothing else:
U+2028 or a lone carriage return are characters of a line.
"""

import contextlib
import gzip
import math
import os
import stat
import sys
import zlib
from pathlib import Path

from attention_zoo.errors import UserError

STANDARD_INPUT = "-"
LONGEST_LINE = 64 * 2**20  # in bytes
LARGEST_FILE = 2**31  # in bytes, of files that are read as a whole
# Text becomes smaller by a tenth of this at most. Of a bomb more would come out.
_EXPANSION = 100
POINTER = 8  # in bytes: what a list needs for each line, even if that is empty
_ALWAYS_ALLOWED = 64 * 2**20

# By their byte order marks; one of UTF-32 begins as one of UTF-16.
_ENCODINGS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


class Allowance:
    """How much may come out of a compressed file.

    Args:
        path: named in the error.
        size: of the compressed file, in bytes; any amount may come out where it is None.
    """

    def __init__(self, path, size=None):
        self._path = path
        self._left = math.inf if size is None else max(_ALWAYS_ALLOWED, _EXPANSION * size)

    def take(self, number):
        """Counts bytes.

        Raises:
            UserError: if they are too many.
        """
        self._left -= number
        if self._left < 0:
            raise UserError(
                f"{self._path} decompresses to more than {_EXPANSION} times its size, "
                f"as no text does; decompress it yourself if that is right"
            )


def read_lines(path):
    """Reads the lines of a text file, gzipped or not, without their line ends.

    Args:
        path: of a file or a pipe; `"-"` is standard input.

    Raises:
        UserError: naming file and line, if it is missing, no file, not UTF-8, or too large.
    """
    lines = []
    with open_data(path) as (file, name, allowance), _reading(name, lines):
        for number, line in enumerate(limited_lines(file, f"{name}, "), start=1):
            allowance.take(len(line) + POINTER)
            lines.append(decode_line(line, name, number))
    return lines


def read_text(path):
    """Reads a text file as a whole, gzipped or not.

    Raises:
        UserError: as of `read_lines`.
    """
    with open_data(path) as (file, name, allowance), _reading(name):
        parts, size = [], 0
        while part := file.read(2**20):
            if not parts:
                check_encoding(part, name)
            allowance.take(len(part))
            parts.append(part)
            size += len(part)
            if size > LARGEST_FILE:
                raise UserError(f"{name} is larger than {LARGEST_FILE / 2**30:g} GiB")
    content = b"".join(parts)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Once more, to name the line.
        for number, line in enumerate(content.split(b"\n"), start=1):
            decode_line(line, name, number)
        raise


def limited_lines(file, where=""):
    """The lines of an open binary file as they stand, one by one.

    Args:
        file: the file.
        where: begins the error, as `"a.tsv, "`.

    Raises:
        UserError: if a line is too long.
    """
    number = 1
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise UserError(f"{where}line {number} is longer than {LONGEST_LINE >> 20} MiB")
        yield line
        number += 1


def end_removed(line):
    r"""A line, bytes or a string, without its newline and the carriage return before it.

    Example:
        >>> end_removed(b"a\r\n")
        b'a'
    """
    newline, carriage_return = (b"\n", b"\r") if isinstance(line, bytes) else ("\n", "\r")
    return line.removesuffix(newline).removesuffix(carriage_return)


def one_line(text):
    r"""A text with a space for each line break, of whatever kind, so that it can be printed.

    Example:
        >>> one_line("a\u2028b")
        'a b'
    """
    return " ".join(text.splitlines())


def decode_line(line, name, number):
    """A line as a string.

    Args:
        line: bytes.
        name: of the file.
        number: of the line in it, from 1.

    Raises:
        UserError: naming file, line and byte, if it is not UTF-8.
    """
    if number == 1:
        check_encoding(line, name)
        line = line.removeprefix(b"\xef\xbb\xbf")
    line = end_removed(line)
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}, line {number}: not UTF-8: byte 0x{line[error.start]:02x} at position "
            f"{error.start + 1} of the line; convert the file first, for example with iconv"
        ) from error


def check_encoding(start, name):
    """Refuses UTF-16 and UTF-32, which may be valid UTF-8 as well, with zeros between letters.

    Args:
        start: bytes with which the text begins.
        name: of the text.
    """
    encoding = next((e for mark, e in _ENCODINGS.items() if start.startswith(mark)), None)
    sample = start[:1024]
    if encoding is None and sample.count(0) * 3 > len(sample):
        encoding = "UTF-16 or no text"
    if encoding:
        raise UserError(
            f"{name} is {encoding}, not UTF-8; convert it first, for example with iconv -f UTF-16"
        )


@contextlib.contextmanager
def open_data(path):
    """Opens a file, a pipe or standard input, and decompresses it if its name ends in `.gz`.

    Gives the binary file, its name, and an `Allowance` for what is read of it.

    Raises:
        UserError: if there is none, or it is a directory or a device.
    """
    if str(path) == STANDARD_INPUT:
        yield sys.stdin.buffer, "standard input", Allowance(path)
        return
    path = Path(path)
    with open_regular(path) as file:
        if path.suffix != ".gz":
            yield file, path, Allowance(path)
            return
        size = os.fstat(file.fileno()).st_size
        with gzip.GzipFile(fileobj=file) as content:
            yield content, path, Allowance(path, size)


def open_regular(path):
    """Opens a file or a pipe for reading bytes.

    Raises:
        UserError: if there is none, or it is a directory or a device, which may have no end.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    mode = os.fstat(file.fileno()).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        file.close()
        raise UserError(f"{path} is a device; files and pipes are read, and - is standard input")
    return file


def _open_at_once(path, flags):
    """Opens a file; a named pipe that nobody writes to is empty instead of waited for."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


@contextlib.contextmanager
def _reading(name, lines=None):
    """Turns what goes wrong in reading into messages; `lines` are those read so far."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        place = name if lines is None else f"{name}, after line {len(lines)}"
        raise UserError(f"{place}: damaged gzip file: {error}") from error
    except OSError as error:
        raise UserError(f"{name}: {error.strerror or error}") from error

"""The bytes and lines of users' files, and limits on how much of them is read.

A line ends with a newline, which a carriage return may precede, and with nothing else: U+2028 and a
lone carriage return are characters of a line.
"""

import contextlib
import gzip
import math
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, overload

from attention_zoo.errors import UserError
from attention_zoo.text.examples import FilePath

STANDARD_INPUT = "-"
LONGEST_LINE = 64 * 2**20  # in bytes
LARGEST_FILE = 2**31  # in bytes, of files that are read as a whole
# Text is compressed to a tenth of its size at best; only a decompression bomb expands more.
_EXPANSION = 100
BYTES_PER_LINE = 8  # a list's pointer to a line, even an empty one
_ALWAYS_ALLOWED = 64 * 2**20  # in bytes

# By byte order mark. UTF-32 goes first: its mark begins with that of UTF-16.
_ENCODINGS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


class BinaryReader(Protocol):
    """What is needed of an open file, decompressed or not."""

    def read(self, size: int = -1, /) -> bytes: ...  # noqa: D102

    def readline(self, size: int = -1, /) -> bytes: ...  # noqa: D102


class Allowance:
    """A limit on the decompressed size of a file.

    Args:
        path: the file, for the error.
        size: compressed size in bytes; None sets no limit.
    """

    def __init__(self, path: FilePath, size: int | None = None):
        self._path = path
        self._left = math.inf if size is None else max(_ALWAYS_ALLOWED, _EXPANSION * size)

    def take(self, count: int) -> None:
        """Counts bytes.

        Raises:
            UserError: if the limit is exceeded.
        """
        self._left -= count
        if self._left < 0:
            raise UserError(
                f"{self._path} decompresses to more than {_EXPANSION} times its size, "
                f"which text never does; decompress it first if that is intended"
            )


def read_lines(path: FilePath) -> list[str]:
    """Reads the lines of a text file, gzipped or not, without their line ends.

    Args:
        path: a file or a pipe; `"-"` is standard input.

    Raises:
        UserError: naming file and line, if it is missing, not a file, not UTF-8, or too large.
    """
    return list(iter_lines(path))


def iter_lines(path: FilePath) -> Iterator[str]:
    """Like `read_lines`, one line at a time."""
    count = 0
    with (
        open_data(path) as (file, name, allowance),
        _reading(name, lambda: f"{name}, after line {count}"),
    ):
        for line in limited_lines(file, f"{name}, "):
            allowance.take(len(line) + BYTES_PER_LINE)
            yield decode_line(line, name, count + 1)
            count += 1


class Lines:
    """The lines of a text file; each iteration reads the file again.

    Args:
        path: a file that can be read again, neither a pipe nor standard input.
    """

    def __init__(self, path: FilePath) -> None:
        self.path = path

    def __iter__(self) -> Iterator[str]:
        """See `iter_lines`."""
        return iter_lines(self.path)


def open_lines(path: FilePath) -> Iterable[str]:
    """The lines of a file, to be read several times; those of a pipe are kept in memory."""
    return Lines(path) if os.path.isfile(path) else read_lines(path)


def read_text(path: FilePath) -> str:
    """Reads a text file as a whole, gzipped or not.

    Raises:
        UserError: as in `read_lines`.
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
        # Decode line by line, to name the line.
        for number, line in enumerate(content.split(b"\n"), start=1):
            decode_line(line, name, number)
        raise


def limited_lines(file: BinaryReader, where: str = "") -> Iterator[bytes]:
    """The lines of an open binary file, with their line ends.

    Args:
        file: the file.
        where: prefix of the error, such as `"a.tsv, "`.

    Raises:
        UserError: if a line is too long.
    """
    number = 1
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise UserError(f"{where}line {number} is longer than {LONGEST_LINE >> 20} MiB")
        yield line
        number += 1


@overload
def strip_line_end(line: str) -> str: ...
@overload
def strip_line_end(line: bytes) -> bytes: ...
def strip_line_end(line: str | bytes) -> str | bytes:
    r"""Removes a newline and the carriage return before it from the end of a line.

    Example:
        >>> strip_line_end(b"a\r\n")
        b'a'
    """
    if isinstance(line, bytes):
        return line.removesuffix(b"\n").removesuffix(b"\r")
    return line.removesuffix("\n").removesuffix("\r")


def one_line(text: str) -> str:
    r"""Replaces line breaks of any kind by spaces.

    Example:
        >>> one_line("a\u2028b")
        'a b'
    """
    return " ".join(text.splitlines())


def decode_line(line: bytes, name: FilePath, number: int) -> str:
    """Decodes a line, without its line end.

    Args:
        line: the bytes.
        name: name of the file.
        number: line number, from 1.

    Raises:
        UserError: naming file, line and byte, if it is not UTF-8.
    """
    if number == 1:
        check_encoding(line, name)
        line = line.removeprefix(b"\xef\xbb\xbf")
    line = strip_line_end(line)
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}, line {number}: not UTF-8: byte 0x{line[error.start]:02x} at position "
            f"{error.start + 1} of the line; convert the file first, for example with iconv"
        ) from error


def check_encoding(start: bytes, name: FilePath) -> None:
    """Rejects UTF-16 and UTF-32, which may also be valid UTF-8, with zeros between the letters.

    Args:
        start: the first bytes of the text.
        name: the name of the text.
    """
    encoding = next((e for mark, e in _ENCODINGS.items() if start.startswith(mark)), None)
    sample = start[:1024]
    if encoding is None and sample.count(0) * 3 > len(sample):
        encoding = "UTF-16 or binary data"
    if encoding:
        raise UserError(
            f"{name} is {encoding}, not UTF-8; convert it first, for example with iconv -f UTF-16"
        )


@contextlib.contextmanager
def open_data(path: FilePath) -> Iterator[tuple[BinaryReader, FilePath, Allowance]]:
    """Opens a file, a pipe or standard input, and decompresses it if its name ends in `.gz`.

    Gives the binary file, its name, and an `Allowance` for what is read of it.

    Raises:
        UserError: if it is missing, a directory or a device.
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
        with gzip.open(file) as content:
            yield content, path, Allowance(path, size)


def open_regular(path: FilePath) -> BinaryIO:
    """Opens a file or a pipe for reading bytes.

    Raises:
        UserError: if it is missing, a directory, or a device, which may have no end.
    """
    try:
        file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    mode = os.fstat(file.fileno()).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        file.close()
        raise UserError(f"{path} is a device; give a file, a pipe, or - for standard input")
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens a file; a named pipe without a writer is empty, rather than blocking."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


@contextlib.contextmanager
def _reading(name: FilePath, where: Callable[[], FilePath] | None = None) -> Iterator[None]:
    """Turns errors of reading into messages; `where` says how far it got."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        place = where() if where else name
        raise UserError(f"{place}: damaged gzip file: {error}") from error
    except OSError as error:
        raise UserError(f"{name}: {error.strerror or error}") from error

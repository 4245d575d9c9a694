"""Writing so that a reader never sees half a file; reading files, and nothing but files."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from attention_zoo.errors import UserError


@contextlib.contextmanager
def atomic_file(path):
    """Gives a temporary path to write; it becomes `path` if the block succeeds.

    Whatever stood at `path` stays as it was until then, and for good if the block
    fails (no space left, an interrupt).

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_file(folder / "answer.txt") as temporary:
        ...     _ = temporary.write_text("42")
        >>> (folder / "answer.txt").read_text()
        '42'
    """
    path = Path(path)
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        # What lies there already may be a link, in a directory from a stranger.
        temporary.unlink(missing_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path):
    """Gives an empty temporary directory; it replaces `path` if the block succeeds."""
    path = Path(path)
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            _replace_directory(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace_directory(new, path):
    if not path.exists():
        os.replace(new, path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old)


@contextlib.contextmanager
def _naming(path):
    """Turns what the operating system refuses into a message that names the path."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def require_empty(directory, hint):
    """Refuses an output directory that holds something already.

    Raises:
        UserError: naming the directory, and `hint` for what to do.
    """
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file, not a directory")
    if directory.is_dir() and any(directory.iterdir()):
        raise UserError(f"{directory} is not empty; {hint}")


def require_regular(path):
    """Refuses what is no file: reading a device or a pipe may never end.

    Raises:
        UserError: if there is nothing at the path, or no file. A link to a file is one.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise UserError(f"{path}: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is no file: a directory, a device or a pipe")


def read_file(path):
    """The bytes of a file.

    Raises:
        UserError: if it is missing, cannot be read, or is a device or a pipe.
    """
    require_regular(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def sha256(path):
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

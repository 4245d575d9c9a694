"""Writing so that nothing is ever half-written, and reading files, and nothing but files.

Files and directories are written under a temporary name and then renamed. Whoever writes
into a directory for long holds a lock on it, which ends with the process however that ends.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from attention_zoo.errors import ResultError, UserError

try:
    import fcntl
except ImportError:  # not a Unix: there are no such locks
    fcntl = None

# What a killed process may leave of `atomic_file` and `atomic_directory`.
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.([a-z0-9_]{8}|\d+)\.(?P<kind>tmp|old)")


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
def atomic_directory(path, marker):
    """Gives an empty temporary directory; it replaces `path` if the block succeeds.

    A link to a directory stays one, what it points to is replaced.

    Args:
        path: the directory to write.
        marker: name of a file that directories of the kind have. What stands at the path and
            has it not is something else, and is not replaced unless it is empty.
    """
    with _naming(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if path.is_dir() and any(path.iterdir()) and not (path / marker).exists():
            raise FileExistsError(errno.EEXIST, f"there is something else, without {marker}")
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


@contextlib.contextmanager
def locked(directory):
    """Makes a directory, and refuses it to other processes that ask for it, in the block.

    The lock lies on the open directory, so there is no file to be left behind, and the
    operating system takes it off when the process ends. Where a file system locks no
    directories, as some network file systems do not, nobody is kept out. A directory that
    is new, and empty after the block, is removed again.

    Raises:
        UserError: if another process has it, or it cannot be made.

    Example:
        >>> folder = Path(tempfile.mkdtemp()) / "run"
        >>> with locked(folder):
        ...     _ = (folder / "answer.txt").write_text("42")
        >>> folder.exists()
        True
    """
    directory = Path(directory)
    _require_directory(directory)
    is_new = not directory.exists()
    with _naming(directory):
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY)
    try:
        _lock(handle, directory)
        yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty
                directory.rmdir()
        os.close(handle)


def _lock(handle, directory):
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            f"another process is writing to {directory}: wait for it to end, or choose another"
        ) from error
    except OSError:
        pass  # this file system locks no directories


@contextlib.contextmanager
def new_directory(directory, hint):
    """As `locked`, of a directory that must be empty; it is empty again if the block fails.

    What a killed process left half-written does not count. Of a `ResultError`, which says
    that what was written is not good, the files stay to be looked at.

    Args:
        directory: its path.
        hint: for people whose directory is not empty: what to do.

    Raises:
        UserError: as `locked`, if it is not empty, or something cannot be written to it.
    """
    with locked(directory):
        require_empty(directory, hint)
        clear_leftovers(directory)
        try:
            with _naming(directory):
                yield
        except ResultError:
            raise
        except BaseException:
            for path in Path(directory).iterdir():
                _remove(path)
            raise


def clear_leftovers(directory):
    """Clears away what killed processes left half-written in a directory and right below.

    A directory that was about to be replaced, and is missing, comes back.
    """
    directory = Path(directory)
    _clear(directory)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            _clear(path)


def _clear(folder):
    for path in list(folder.iterdir()):
        found = _LEFTOVER.fullmatch(path.name)
        if found and found["kind"] == "old" and not (folder / found["name"]).exists():
            os.replace(path, folder / found["name"])
        elif found:
            _remove(path)


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def require_empty(directory, hint):
    """Refuses an output directory that holds something already.

    What a killed process left half-written, see `clear_leftovers`, does not count.

    Raises:
        UserError: naming the directory, and `hint` for what to do.
    """
    directory = Path(directory)
    _require_directory(directory)
    found = directory.iterdir() if directory.is_dir() else ()
    if not all(_LEFTOVER.fullmatch(path.name) for path in found):
        raise UserError(f"{directory} is not empty; {hint}")


def _require_directory(path):
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file, not a directory")


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

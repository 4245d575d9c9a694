"""Atomic writing of files and directories, locks, and reading of regular files only.

Files and directories are written under a temporary name and then renamed. A process that writes
into a directory for a long time holds a lock on it, which ends with the process.
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
except ImportError:  # not Unix: no such locks
    fcntl = None

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"

# Temporary names that a killed process may leave behind.
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.([a-z0-9_]{8}|\d+)\.(?P<kind>tmp|old)")


@contextlib.contextmanager
def atomic_file(path):
    """Gives a temporary path to write; it becomes `path` if the block succeeds.

    An existing file at `path` is unchanged until then, and stays if the block fails (no space
    left, an interrupt).

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
        # In an untrusted directory, there may already be a link.
        temporary.unlink(missing_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path, marker):
    """Gives an empty temporary directory; it replaces `path` if the block succeeds.

    If `path` is a link to a directory, its target is replaced.

    Args:
        path: the directory to write.
        marker: name of a file that such directories contain. An existing directory without it
            is something else, and is not replaced unless it is empty.
    """
    with _naming(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if path.is_dir() and any(path.iterdir()) and not (path / marker).exists():
            raise FileExistsError(errno.EEXIST, f"it contains something else, without {marker}")
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
    """Turns errors of the operating system into messages that name the path."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def locked(directory):
    """Creates a directory if needed, and locks it against other processes in the block.

    The lock is on the open directory, so that it leaves no file behind, and the operating system
    releases it when the process ends. File systems that cannot lock directories, such as some
    network file systems, do not keep other processes out. A new directory that is empty after the
    block is removed again.

    Raises:
        UserError: if another process has locked it, or it cannot be created.

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
        pass  # this file system cannot lock directories


@contextlib.contextmanager
def new_directory(directory, hint):
    """Like `locked`, for a directory that must be empty; it is emptied if the block fails.

    Leftovers of killed processes do not count. After a `ResultError`, which means that the written
    files are wrong, they are kept for inspection.

    Args:
        directory: its path.
        hint: what to do if the directory is not empty.

    Raises:
        UserError: as for `locked`, or if it is not empty or not writable.
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
    """Removes leftovers of killed processes in a directory and its direct subdirectories.

    A directory that was about to be replaced, and is missing, is restored.
    """
    directory = Path(directory)
    _clear(directory)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            _clear(path)


def _clear(folder):
    for path in list(folder.iterdir()):
        match = _LEFTOVER.fullmatch(path.name)
        if match and match["kind"] == "old" and not (folder / match["name"]).exists():
            os.replace(path, folder / match["name"])
        elif match:
            _remove(path)


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def require_empty(directory, hint):
    """Rejects an output directory that is not empty.

    Leftovers of killed processes, see `clear_leftovers`, do not count.

    Raises:
        UserError: naming the directory, with `hint` for what to do.
    """
    directory = Path(directory)
    _require_directory(directory)
    paths = directory.iterdir() if directory.is_dir() else ()
    if not all(_LEFTOVER.fullmatch(path.name) for path in paths):
        raise UserError(f"{directory} is not empty; {hint}")


def _require_directory(path):
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file, not a directory")


def require_regular(path):
    """Rejects paths that are not regular files: reading a device or a pipe may never end.

    Raises:
        UserError: if the path does not exist or is not a file. Links to files are accepted.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise UserError(f"{path}: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is not a file but a directory, a device or a pipe")


def read_file(path):
    """Reads the bytes of a file.

    Raises:
        UserError: if it is missing, cannot be read, or is a device, a pipe or a Git LFS pointer.
    """
    require_regular(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if content.startswith(_LFS_POINTER):
        raise UserError(f"{path} is a pointer of Git LFS, not the file itself: run git lfs pull")
    return content


def sha256(path):
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""`SHA256SUMS`: detects whether the files of a directory were damaged.

The format is that of the program `sha256sum`, which can check such a file too (`sha256sum -c`).
"""

import re
from pathlib import Path, PurePosixPath

from attention_zoo.errors import UserError
from attention_zoo.files import read_file, require_regular, sha256

CHECKSUMS_FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


def write_checksums(directory):
    """Writes the SHA-256 of every other file in and below a directory into its `SHA256SUMS`."""
    directory = Path(directory)
    own = directory / CHECKSUMS_FILE
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path != own)
    lines = [f"{sha256(file)}  {file.relative_to(directory).as_posix()}\n" for file in files]
    own.write_text("".join(lines), encoding="utf-8", newline="\n")


def verify_checksums(directory, needed):
    """Compares the files of a directory with its checksums.

    If there are no checksums, as in directories of earlier versions, nothing is compared.

    Args:
        directory: a directory with checksums, which may have been moved.
        needed: names of files that must have a checksum.

    Raises:
        UserError: naming the files that are missing or changed, and what to do.
    """
    directory = Path(directory)
    path = directory / CHECKSUMS_FILE
    if not path.is_symlink() and not path.exists():
        return
    digests = _read(path)
    missing = sorted(set(needed) - digests.keys())
    if missing:
        raise UserError(f"{path} is damaged: it has no checksum of {', '.join(missing)}; {_ADVICE}")
    for name in digests:
        require_regular(directory / name)
    changed = [name for name, digest in digests.items() if sha256(directory / name) != digest]
    if changed:
        named = ", ".join(f"{directory / name} is damaged" for name in changed)
        raise UserError(f"{named}: its SHA-256 is not the one in {CHECKSUMS_FILE}; {_ADVICE}")


def _read(path):
    lines = read_file(path).decode(errors="replace").split("\n")
    digests = {}
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
        match = _LINE.fullmatch(line)
        if not match or not is_inside(match[2]):
            raise UserError(f"{path} is damaged in line {number}; {_ADVICE}")
        digests[match[2]] = match[1]
    return digests


def is_inside(name):
    """Whether a name is a path in or below the directory."""
    parts = PurePosixPath(name).parts
    return ".." not in parts and not PurePosixPath(name).is_absolute()


_ADVICE = f"copy the directory again, or, if you have changed it yourself, remove {CHECKSUMS_FILE}"

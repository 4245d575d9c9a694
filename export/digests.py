"""SHA-256 digests of the files of an export, which `report.json` records."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from attention_zoo.files import read_file
from attention_zoo.tasks.task_files import TASK_FILE, TOKENIZER_FOLDER

# What an export directory contains besides artefacts and the report.
_BESIDE = (TASK_FILE, TOKENIZER_FOLDER, "serving", "verification")
CHANGED = "is not, byte for byte, what was exported"


def digest(path: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of all files in a directory."""
    sha256 = hashlib.sha256()
    for file in files_in(path):
        sha256.update(file.relative_to(path).as_posix().encode() + read_file(file))
    return sha256.hexdigest()


def digests(directory: Path, beside: Iterable[str] = _BESIDE) -> dict[str, str]:
    """The SHA-256 of every file beside the artefacts, by path.

    Args:
        directory: the export directory.
        beside: names of the files and folders to look at.
    """
    return {
        file.relative_to(directory).as_posix(): digest(file)
        for name in beside
        for file in files_in(directory / name)
    }


def changed(
    directory: Path, files: Mapping[str, str], beside: Iterable[str] = _BESIDE
) -> list[str]:
    """The files beside the artefacts that were changed, removed or added since the export.

    Args:
        directory: the export directory.
        files: `files` of the report.
        beside: as for `digests`.
    """
    if not files:  # reports of earlier versions list none
        return []
    there = digests(directory, beside)
    wanted = {name: files[name] for name in files if name.split("/")[0] in beside}
    return sorted(n for n in wanted.keys() | there.keys() if wanted.get(n) != there.get(n))


def files_in(path: Path) -> list[Path]:
    """A file, or all files in a directory and below."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in files if file.is_file()]


def irregular(path: Path) -> list[Path]:
    """All paths that are neither files nor directories: devices, pipes, dangling links."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in files if not file.is_file() and not file.is_dir()]

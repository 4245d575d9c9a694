"""Loading an exported artefact: a task that answers with it."""

from __future__ import annotations

from pathlib import Path

from attention_zoo.errors import UserError
from attention_zoo.export.digests import changed, digest
from attention_zoo.export.formats import FORMATS, Format
from attention_zoo.export.results import REPORT_FILE, read_report
from attention_zoo.tasks.engine import Engine, Reader
from attention_zoo.tasks.settings import TASKS
from attention_zoo.tasks.task import Task
from attention_zoo.tasks.task_files import TASK_FILE, TOKENIZER_FOLDER, read_task_config

# What an export directory is asked for when none of its artefacts is named.
_PREFERRED = ("saved_model", "litert")


def load_reader(directory: str | Path, engine: Engine | None = None) -> Task:
    """What lies beside the artefacts of an export, as a task.

    Args:
        directory: the export directory.
        engine: what answers; when omitted the task only reads the answers of artefacts.
    """
    config = read_task_config(directory)
    task_class = TASKS[config["task"]].task_class()
    return task_class.from_config(config, directory, engine or Reader())


def load_artefact(path: str | Path) -> Task:
    """Loads an export directory or one artefact in it.

    Args:
        path: an artefact, or an export directory (its SavedModel is taken, or else its
            smallest-named LiteRT file, or else whatever answers).

    Returns:
        A task whose engine is the artefact.

    Raises:
        UserError: if there is no artefact at the path, or it is damaged, or it cannot answer.
    """
    path = Path(path)
    form, path = _find(path)
    directory = _export_directory(path)
    _require_unchanged(directory, path)
    return load_reader(directory, form.engine(path))


def _find(path: Path) -> tuple[Format, Path]:
    """The format of an artefact at a path, or of one in the export directory at it."""
    if path.suffix == ".tflite" and not path.is_file():
        raise UserError(f"{path}: no such file")
    if not (path / TASK_FILE).exists():
        for candidate in (path, path / "1"):
            for form in FORMATS.values():
                if candidate.exists() and form.has_written(candidate.absolute()):
                    return form, candidate
            if (candidate / "saved_model.pb").exists():
                return FORMATS["saved_model"], candidate
        if path.suffix == ".tflite":
            return FORMATS["litert"], path
    for name in dict.fromkeys((*_PREFERRED, *FORMATS)):
        form = FORMATS[name]
        for quantize in form.quantizations:
            candidate = path / form.path(quantize)
            if candidate.exists():
                return form, candidate
    raise UserError(
        f"{path} is not a run, a task, an export directory, or an artefact of a known format "
        "(a plugin that registers its format is named by --plugin)"
    )


def _export_directory(path: Path) -> Path:
    """The directory above an artefact that has the tokenizers."""
    for parent in path.absolute().parents:
        if (parent / TASK_FILE).exists():
            return parent
    raise UserError(f"{path}: no {TASK_FILE} in the directories above it")


def _require_unchanged(directory: Path, path: Path) -> None:
    """Compares an artefact, and what it is loaded with, with the report, if there is one."""
    if not (directory / REPORT_FILE).exists():
        return
    report = read_report(directory)
    differing = changed(directory, report.files, (TASK_FILE, TOKENIZER_FOLDER))
    file = path.absolute().relative_to(directory.absolute()).as_posix()
    sha256 = [artefact.sha256 for artefact in report.artefacts if artefact.file == file]
    differing += [file] if sha256 and sha256[0] not in (None, digest(path)) else []
    if differing:
        raise UserError(
            f"{directory / differing[0]} is damaged: its SHA-256 is not the one in {REPORT_FILE}; "
            f"copy the export again, or, if you have changed it yourself, remove {REPORT_FILE}"
        )

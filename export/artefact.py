"""Loading an exported artefact: a task that answers with it."""

from __future__ import annotations

from pathlib import Path

from attention_zoo.errors import UserError
from attention_zoo.export.digests import changed, digest
from attention_zoo.export.formats import FORMATS, Format
from attention_zoo.export.results import REPORT_FILE, read_report
from attention_zoo.plugins import PLUGIN_HINT, load_installed_plugins
from attention_zoo.tasks.engine import Engine, Reader
from attention_zoo.tasks.saving import task_from_config
from attention_zoo.tasks.settings import TASKS
from attention_zoo.tasks.task import Task
from attention_zoo.tasks.task_files import TASK_FILE, TOKENIZER_FOLDER, read_task_config

# The formats to look for first when a path is an export directory.
_PREFERRED = ("saved_model", "litert")


def load_reader(directory: str | Path, engine: Engine | None = None) -> Task:
    """Makes a task from the configuration and tokenizers of an export directory.

    Args:
        directory: the export directory.
        engine: computes the answers; if omitted, the task can only read an artefact's outputs.
    """
    config = read_task_config(directory)
    task_class = TASKS[config["task"]].task_class()
    return task_from_config(task_class, config, directory, engine or Reader())


def load_artefact(path: str | Path) -> Task:
    """Loads an export directory or one artefact in it.

    Args:
        path: an artefact, or an export directory (its SavedModel is loaded if it has one,
            otherwise a LiteRT file, otherwise any other artefact).

    Returns:
        A task whose engine is the artefact.

    Raises:
        UserError: if there is no artefact at the path, or it is damaged or cannot answer.
    """
    path = Path(path)
    form, path = _find(path)
    directory = _export_directory(path)
    _require_unchanged(directory, path)
    return load_reader(directory).with_engine(form.engine(path))


def _find(path: Path) -> tuple[Format, Path]:
    """The format and path of the artefact at `path`, which may be an export directory."""
    if path.suffix == ".tflite" and not path.is_file():
        raise UserError(f"{path}: no such file")
    found = _of_registered_format(path)
    if found is None:
        load_installed_plugins()
        found = _of_registered_format(path)
    if found is None:
        raise UserError(
            f"{path} is not a run, a task, an export directory, or an artefact of a known format. "
            f"{PLUGIN_HINT}"
        )
    return found


def _of_registered_format(path: Path) -> tuple[Format, Path] | None:
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
    return None


def _export_directory(path: Path) -> Path:
    """The parent directory of an artefact that holds its tokenizers."""
    for parent in path.absolute().parents:
        if (parent / TASK_FILE).exists():
            return parent
    raise UserError(f"{path}: no {TASK_FILE} in the directories above it")


def _require_unchanged(directory: Path, path: Path) -> None:
    """Compares the checksums of an artefact and its tokenizers with the report, if any."""
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

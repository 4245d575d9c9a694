"""Exporting a task: write, run, compare, report."""

import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export.artefact import load_reader
from attention_zoo.export.digests import CHANGED, changed, digest, digests, files_in
from attention_zoo.export.expected import (
    check_expected,
    expected_of,
    load_expected,
    save_expected,
    texts_of,
)
from attention_zoo.export.formats import FORMATS
from attention_zoo.export.planning import impossible_quantizations, plan
from attention_zoo.export.report import versions, write_report
from attention_zoo.export.results import (
    MAX_DROP,
    Artefact,
    KerasResult,
    Origin,
    PlannedArtefact,
    Report,
    Verification,
    read_report,
)
from attention_zoo.export.running import Arrays
from attention_zoo.export.serving import write_serving
from attention_zoo.export.verify import verify_artefact
from attention_zoo.files import new_directory
from attention_zoo.tasks.saving import save_without_weights
from attention_zoo.train.metrics import compute_metrics, metric_signatures

Progress = Callable[[str], None]


def _silent(message: str) -> None:
    """Ignores progress messages."""


def export(
    task: Any,
    directory: Path | str,
    formats: Sequence[str] = ("saved_model", "litert"),
    quantize: Sequence[str] = ("none",),
    examples: Sequence[tuple[str, ...]] | None = None,
    max_drop: float = MAX_DROP,
    origin: Mapping[str, Any] | None = None,
    progress: Progress = _silent,
) -> Report:
    """Exports a task and verifies every artefact.

    Args:
        task: a task.
        directory: where to write; must be empty.
        formats: of `FORMATS`.
        quantize: of `QUANTIZATIONS`; only LiteRT has quantised files.
        examples: tuples of strings to compare the artefacts on; if omitted, the examples
            that training set aside. Ranges for `"full_int8"` are measured on the latter,
            if there are any.
        max_drop: how many points of each of the task's metrics a quantised file may lose;
            without a metric, it must reach a mean cosine of 0.99.
        origin: where the task and the examples come from, for the report: a dict
            such as `{"run": ..., "data": ...}`.
        progress: called with a line of text before each step.

    Returns:
        The report; it can be indexed like `report.json`.

    Raises:
        UserError: if an argument is invalid, or the directory is not empty or not writable;
            nothing is left in it.
        ResultError: if an artefact cannot be made or differs from the model; the
            report is still written, and says so.
    """
    if not math.isfinite(max_drop):
        raise UserError(f"max_drop must be a finite number of points, received {max_drop}")
    planned = plan(task, formats, quantize)
    for form, impossible in impossible_quantizations(task, formats, quantize):
        progress(f"the format {form} does not support {impossible} for this task")
    examples = list(examples or task.examples)
    if not examples:
        raise UserError(
            "export needs examples to verify on, and the task has none: pass examples=..."
        )
    directory = Path(directory)
    with new_directory(directory, "choose another directory for the export"):
        return _export(task, directory, planned, examples, max_drop, origin, progress)


def _export(
    task: Any,
    directory: Path,
    planned: list[PlannedArtefact],
    examples: Sequence[tuple[str, ...]],
    max_drop: float,
    origin: Mapping[str, Any] | None,
    progress: Progress,
) -> Report:
    """Writes the artefacts into an empty directory and verifies them."""
    save_without_weights(task, directory)
    progress(f"running the Keras model on {len(examples)} examples")
    expected = expected_of(task, examples)
    save_expected(expected, directory)
    failures = {}
    for artefact in planned:
        progress(f"writing {artefact.file}")
        form, quantize = FORMATS[artefact.format], artefact.quantize

        def passes(candidate, form=form, quantize=quantize, file=artefact.file):
            progress(f"verifying a candidate for {file}")
            return verify_artefact(task, expected, candidate, form, quantize, max_drop).verified

        path = directory / artefact.file
        try:
            written = form.write(task, path, quantize, task.examples or examples, passes)
            artefact.kept_in_float32 = written
        except ResultError as error:
            progress(str(error))
            failures[artefact.file] = f"was not written: {error}"
        except tf.errors.OpError as error:  # such as a full disk
            raise UserError(f"cannot write {path}: {error.message}") from error
    _serve(task, directory, planned, examples, progress)
    for artefact in planned:
        artefact.sha256 = digest(directory / artefact.file)
    about = Origin(
        task=task.kind,
        model=type(task.model).__name__,
        parameters=task.model.count_params(),
        origin=dict(origin or {}),
        max_drop=max_drop,
        versions=versions(),
        files=digests(directory),
    )
    python = sys.executable
    return _verify_and_report(task, directory, planned, failures, expected, about, progress, python)


def _serve(
    task: Any,
    directory: Path,
    planned: list[PlannedArtefact],
    examples: Sequence[tuple[str, ...]],
    progress: Progress,
) -> None:
    """Writes the files for TF Serving if there are SavedModels."""
    formats = {artefact.format for artefact in planned}
    served = [name for name in ("saved_model", "saved_model_xla") if name in formats]
    if served and not write_serving(task, directory, examples, served):
        progress("no warm-up requests for TF Serving: pip install 'attention-zoo[serving]'")


def verify_export(
    directory: Path | str, progress: Progress = _silent, python: Path | str = sys.executable
) -> Report:
    """Runs every artefact of an export directory again and compares the outputs.

    Args:
        directory: an export directory, which may have been moved.
        progress: called with a line of text before each step.
        python: the interpreter that runs the artefacts; its environment needs only their
            runtimes and NumPy.

    Returns:
        The new report, which is also written if the directory is writable.

    Raises:
        UserError: if the directory is not an export, or `python` is not executable or lacks
            a runtime.
        ResultError: if an artefact's outputs differ from those of the Keras model, or a file
            was changed since the export.
    """
    program = shutil.which(python)
    if program is None:
        raise UserError(f"{python} is not an executable; a Python interpreter is needed")
    about = read_report(directory)
    if not about.artefacts:
        raise UserError(f"{directory} lists no artefacts: there is nothing to verify")
    if not _can_write(directory):
        progress(f"{directory} is not writable: its report will not be updated")
    expected = load_expected(directory)
    reader = load_reader(directory)
    check_expected(reader, expected, directory)
    directory, planned, program = Path(directory), about.artefacts, Path(program).absolute()
    return _verify_and_report(reader, directory, planned, {}, expected, about, progress, program)


def _verify_and_report(
    task: Any,
    directory: Path,
    planned: list[PlannedArtefact],
    failures: Mapping[str, str],
    expected: Arrays,
    about: Origin,
    progress: Progress,
    python: Path | str,
) -> Report:
    """Verifies the artefacts and writes the report, which includes failures to write."""
    artefacts, differing = [], changed(directory, about.files)
    for artefact in planned:
        path, form = directory / artefact.file, FORMATS[artefact.format]
        if artefact.file in failures:
            result = Verification(failure=failures[artefact.file])
        else:
            progress(f"verifying {artefact.file} in its own runtime")
            result = verify_artefact(
                task, expected, path, form, artefact.quantize, about.max_drop, python
            )
        if result.verified and artefact.sha256 not in (None, digest(path)):
            # Outputs are the same: say a weight that no example uses, or a file that is never read.
            result.verified, result.failure = False, CHANGED
        operators = form.operators(path) if result.verified else ""
        fields = {**artefact.record, **result.record}
        artefacts.append(Artefact(**fields, bytes=_size(path), operators=operators))
    texts = texts_of(task, expected)
    answers, references = list(expected["answers"]), list(expected["references"])
    metrics, options = task.export_metrics, task.metric_options
    report = Report(
        **about.model_dump(exclude={"artefacts"}),
        examples=len(texts),
        example=_example(task, expected),
        labels=list(getattr(task, "labels", ())),
        limits={name: task.longest(name) for name in (*task.text_inputs, *task.compared.inputs)},
        changed=differing,
        keras=KerasResult(
            metric=compute_metrics(metrics, texts, answers, references, options),
            signatures=metric_signatures(metrics, references, options),
        ),
        artefacts=artefacts,
    )
    if _can_write(directory):
        write_report(report, directory)
    failed = [f"{file}: {CHANGED}" for file in differing]
    failed += [f"{a.file}: {a.failure}" for a in artefacts if not a.verified]
    if failed:
        raise ResultError(f"verification failed for {'; '.join(failed)}")
    return report


def _can_write(directory: Path | str) -> bool:
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _example(task: Any, expected: Arrays) -> dict[str, str | list[int]]:
    """The inputs of the shortest example that is not empty, by name, for the report."""
    rows = zip(*(expected[name] for name in task.text_inputs), strict=True)
    lengths = [sum(map(len, row)) or sys.maxsize for row in rows]
    shortest = lengths.index(min(lengths))
    texts = {name: expected[name][shortest].decode(errors="replace") for name in task.text_inputs}
    mask = expected["mask" if "mask" in task.id_inputs else task.id_inputs[0]][shortest] != 0
    return {**texts, **{n: expected[n][shortest][mask].tolist() for n in task.id_inputs}}


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in files_in(path))

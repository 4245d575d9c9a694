"""Exporting a task: write, run, compare, report."""

import math
import shutil
import sys
import tempfile
from pathlib import Path

import tensorflow as tf

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export import verify
from attention_zoo.export.artefact import load_reader
from attention_zoo.export.digests import CHANGED, changed, digest, digests, files_in
from attention_zoo.export.expected import (
    check_expected,
    expected_of,
    load_expected,
    save_expected,
    texts_of,
)
from attention_zoo.export.formats import FORMATS, artefacts, barred_quantizations
from attention_zoo.export.report import versions, write_report
from attention_zoo.export.report_file import read_report
from attention_zoo.files import new_directory
from attention_zoo.train.metrics import compute_metrics, metric_signatures


def export(
    task,
    directory,
    formats=("saved_model", "litert"),
    quantize=("none",),
    examples=None,
    max_drop=verify.MAX_DROP,
    origin=None,
    progress=lambda message: None,
):
    """Exports a task and verifies every artefact.

    Args:
        task: a task.
        directory: where to write; must be empty.
        formats: of `FORMATS`.
        quantize: of `QUANTIZATIONS`; only LiteRT has quantised files.
        examples: what the artefacts are compared on, tuples of strings; the examples
            that training kept when omitted. Ranges for `"full_int8"` are measured on those
            of training, where there are any.
        max_drop: points of each of the task's metrics that a quantised file may lose; a
            task without a metric is held to a mean cosine of 0.99.
        origin: what the report is to say of where the task and the examples come from, a
            dict such as `{"run": ..., "data": ...}`.
        progress: called with a line of text before each piece of work.

    Returns:
        The report, as `report.json` has it.

    Raises:
        UserError: if an argument is wrong, the directory is not empty, or it cannot be written
            to; then it is left empty.
        ResultError: if an artefact cannot be made or differs from the model; the
            report is written and names it.
    """
    if not math.isfinite(max_drop):
        raise UserError(f"max_drop must be a number of points, received {max_drop}")
    planned = artefacts(task, formats, quantize)
    for form, barred in barred_quantizations(task, formats, quantize):
        progress(f"the format {form} has no {barred} for this task")
    examples = list(examples or task.examples)
    if not examples:
        raise UserError("export verifies on examples, and the task has none: give examples=...")
    directory = Path(directory)
    with new_directory(directory, "choose another directory for the export"):
        return _export(task, directory, planned, examples, max_drop, origin, progress)


def _export(task, directory, planned, examples, max_drop, origin, progress):
    """Writes into an empty directory, and verifies what it has written there."""
    task.save_without_weights(directory)
    progress(f"asking the Keras model about {len(examples)} examples")
    expected = expected_of(task, examples)
    save_expected(expected, directory)
    for artefact in planned:
        path = directory / artefact["file"]
        progress(f"writing {artefact['file']}")
        form, kept_as = FORMATS[artefact["format"]], artefact["quantize"]

        def passes(candidate, form=form, kept_as=kept_as, file=artefact["file"]):
            progress(f"verifying a candidate for {file}")
            found = verify.verify_artefact(task, expected, candidate, form, kept_as, max_drop)
            return found["verified"]

        try:
            in_float = form.write(task, path, kept_as, task.examples or examples, passes)
            artefact.update(in_float=in_float, failure="")
        except ResultError as error:
            progress(str(error))
            artefact.update(in_float=[], failure=f"was not written: {error}")
        except tf.errors.OpError as error:  # of a disk that is full, say
            raise UserError(f"cannot write {path}: {error.message}") from error
    formats = {artefact["format"] for artefact in planned}
    served = [name for name in ("saved_model", "saved_model_xla") if name in formats]
    if served:
        from attention_zoo.export.serving import write_serving

        if not write_serving(task, directory, examples, served):
            progress("no warm-up requests for TF Serving: pip install 'attention-zoo[serving]'")
    for artefact in planned:
        artefact["sha256"] = digest(directory / artefact["file"])
    about = {
        "task": task.kind,
        "model": type(task.model).__name__,
        "parameters": task.model.count_params(),
        "origin": origin or {},
        "max_drop": max_drop,
        "versions": versions(),
        "files": digests(directory),
    }
    return _verify_and_report(task, directory, planned, expected, about, progress, sys.executable)


def verify_export(directory, progress=lambda message: None, python=sys.executable):
    """Runs every artefact of an export directory again and compares.

    Args:
        directory: what `export` wrote, wherever it lies now.
        progress: called with a line of text before each piece of work.
        python: the interpreter that runs the artefacts, of an environment that need not have
            more than their runtimes and NumPy.

    Returns:
        The new report, which is also written, if the directory can be written to.

    Raises:
        UserError: if the directory is no export, or `python` is no program or has not what runs
            an artefact.
        ResultError: if an artefact differs from what the Keras model had answered, or a file
            beside the artefacts from what was exported.
    """
    program = shutil.which(python)
    if program is None:
        raise UserError(f"{python} is no program that can be run; a Python interpreter is needed")
    report = read_report(directory)
    if not report.artefacts:
        raise UserError(f"{directory} lists no artefact: there is nothing to verify")
    planned = [{**artefact.model_dump(), "failure": ""} for artefact in report.artefacts]
    about = report.model_dump(exclude={"artefacts"})
    if not _can_write(directory):
        progress(f"{directory} cannot be written to: the report there stays as it is")
    expected = load_expected(directory)
    reader = load_reader(directory)
    check_expected(reader, expected, directory)
    program = Path(program).absolute()
    return _verify_and_report(reader, Path(directory), planned, expected, about, progress, program)


def _verify_and_report(task, directory, planned, expected, about, progress, python):
    results, differing = [], changed(directory, about["files"])
    for artefact in planned:
        path, form = directory / artefact["file"], FORMATS[artefact["format"]]
        if artefact["failure"]:
            figures = verify.failed(artefact["failure"])
        else:
            progress(f"verifying {artefact['file']} in its own runtime")
            figures = verify.verify_artefact(
                task, expected, path, form, artefact["quantize"], about["max_drop"], python
            )
        if figures["verified"] and artefact["sha256"] not in (None, digest(path)):
            # A weight that no example touches, a file that nothing reads.
            figures.update(verified=False, failure=CHANGED)
        operators = form.operators(path) if figures["verified"] else ""
        results.append({**artefact, "bytes": _size(path), **figures, "operators": operators})
    texts = texts_of(task, expected)
    answers, references = list(expected["answers"]), list(expected["references"])
    report = {
        **about,
        "examples": len(texts),
        "example": _example(task, expected),
        "labels": list(getattr(task, "labels", ())),
        "limits": {name: task.longest(name) for name in (*task.text_inputs, *task.compared.inputs)},
        "changed": differing,
        "keras": {
            "metric": compute_metrics(
                task.export_metrics, texts, answers, references, task.metric_options
            ),
            "signatures": metric_signatures(task.export_metrics, references, task.metric_options),
        },
        "artefacts": results,
    }
    if _can_write(directory):
        write_report(report, directory)
    failed = [f"{file}: {CHANGED}" for file in differing]
    failed += [f"{a['file']}: {a['failure']}" for a in results if not a["verified"]]
    if failed:
        raise ResultError(f"verification failed for {'; '.join(failed)}")
    return report


def _can_write(directory):
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _example(task, expected):
    """The shortest example with something in it, for the report: inputs by name, as lists."""
    texts = zip(*(expected[name] for name in task.text_inputs), strict=True)
    lengths = [sum(map(len, row)) or sys.maxsize for row in texts]
    number = lengths.index(min(lengths))
    found = {name: expected[name][number].decode(errors="replace") for name in task.text_inputs}
    mask = expected["mask" if "mask" in task.id_inputs else task.id_inputs[0]][number] != 0
    ids = {name: expected[name][number][mask].tolist() for name in task.id_inputs}
    return {**found, **ids}


def _size(path):
    return sum(file.stat().st_size for file in files_in(path))

"""Exporting a task: write, run, compare, report."""

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import tensorflow as tf

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export import verify
from attention_zoo.export.artefact import load_reader
from attention_zoo.export.expected import expected_of, load_expected, save_expected, texts_of
from attention_zoo.export.formats import FORMATS, artefacts, barred_quantizations
from attention_zoo.export.report import REPORT_FILE, versions, write_report
from attention_zoo.files import new_directory
from attention_zoo.tasks.task import TASK_FILE, TOKENIZER_FOLDER
from attention_zoo.train.metrics import compute_metrics, metric_signatures

_ABOUT = ("task", "model", "parameters", "origin", "max_drop", "versions", "files")
# What an export directory holds beside artefacts and the report.
_BESIDE = (TASK_FILE, TOKENIZER_FOLDER, "serving", "verification")
_CHANGED = "is not, byte for byte, what was exported"


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
        artefact["sha256"] = _digest(directory / artefact["file"])
    about = {
        "task": task.kind,
        "model": type(task.model).__name__,
        "parameters": task.model.count_params(),
        "origin": origin or {},
        "max_drop": max_drop,
        "versions": versions(),
        "files": _digests(directory),
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
    path = Path(directory) / REPORT_FILE
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        names = ("format", "file", "quantize", "in_float", "sha256")
        # Reports of earlier versions do not say what stayed in 32 bits: nothing did.
        known = [{"in_float": [], "sha256": None, **artefact} for artefact in old["artefacts"]]
        planned = [
            {**{name: artefact[name] for name in names}, "failure": ""} for artefact in known
        ]
        foreign = [artefact["file"] for artefact in planned if not _is_planned(artefact)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{directory} is no export: {path}: {error}") from error
    if not planned:
        raise UserError(f"{path} lists no artefact: there is nothing to verify")
    if foreign:
        raise UserError(f"{path} lists what no export of this version is: {foreign[0]!r}")
    # Reports of earlier versions have neither an origin nor a gate, and name no other files.
    about = {"origin": {}, "max_drop": verify.MAX_DROP, "versions": {}, "files": {}}
    about |= {name: old[name] for name in _ABOUT if name in old}
    if not isinstance(about["files"], dict):
        raise UserError(f"{path}: files must map paths to SHA-256, received {about['files']!r}")
    if not _can_write(directory):
        progress(f"{directory} cannot be written to: the report there stays as it is")
    expected = load_expected(directory)
    reader = load_reader(directory)
    program = Path(program).absolute()
    return _verify_and_report(reader, Path(directory), planned, expected, about, progress, program)


def _verify_and_report(task, directory, planned, expected, about, progress, python):
    results, changed = [], _changed(directory, about["files"])
    for artefact in planned:
        path, form = directory / artefact["file"], FORMATS[artefact["format"]]
        if artefact["failure"]:
            figures = verify.failed(artefact["failure"])
        else:
            progress(f"verifying {artefact['file']} in its own runtime")
            figures = verify.verify_artefact(
                task, expected, path, form, artefact["quantize"], about["max_drop"], python
            )
        if figures["verified"] and artefact["sha256"] not in (None, _digest(path)):
            # A weight that no example touches, a file that nothing reads.
            figures.update(verified=False, failure=_CHANGED)
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
        "changed": changed,
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
    failed = [f"{file}: {_CHANGED}" for file in changed]
    failed += [f"{a['file']}: {a['failure']}" for a in results if not a["verified"]]
    if failed:
        raise ResultError(f"verification failed for {'; '.join(failed)}")
    return report


def _is_planned(artefact):
    """Whether a report's artefact is one that an export writes, where it writes it."""
    form = FORMATS.get(artefact["format"])
    quantize = artefact["quantize"]
    return (
        form is not None
        and quantize in form.quantizations
        and artefact["file"] == form.path(quantize)
    )


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


def _digests(directory):
    """The SHA-256 of every file that lies beside the artefacts, by its path."""
    found = {}
    for name in _BESIDE:
        for file in _files(directory / name):
            found[file.relative_to(directory).as_posix()] = _digest(file)
    return found


def _changed(directory, files):
    """Which of the files beside the artefacts are not as exported, are missing or were added."""
    if not files:  # reports of earlier versions name none
        return []
    found = _digests(directory)
    return sorted(
        name for name in files.keys() | found.keys() if files.get(name) != found.get(name)
    )


def _size(path):
    return sum(file.stat().st_size for file in _files(path))


def _digest(path):
    """The SHA-256 of a file, or of the names and contents of all files in a directory."""
    digest = hashlib.sha256()
    for file in _files(path):
        digest.update(file.relative_to(path).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _files(path):
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in files if file.is_file()]

"""Exporting a task: write, run, compare, report."""

import json
from pathlib import Path

from attention_zoo.errors import ResultError, UserError, suggest
from attention_zoo.export import verify
from attention_zoo.export.artefact import load_reader
from attention_zoo.export.report import REPORT_FILE, versions, write_report
from attention_zoo.files import require_empty
from attention_zoo.train.metrics import compute_metrics

QUANTIZATIONS = ("none", "dynamic_int8")


def export(
    task,
    directory,
    formats=("saved_model", "litert"),
    quantize=("none",),
    examples=None,
    progress=lambda message: None,
):
    """Exports a task and verifies every artefact.

    Args:
        task: a task.
        directory: where to write; must be empty.
        formats: of `"saved_model"`, `"litert"`, and for BERT `"huggingface"`.
        quantize: of `"none"` and `"dynamic_int8"`; only LiteRT has quantised files.
        examples: what the artefacts are compared on, tuples of strings; the examples
            that training kept when omitted.
        progress: called with a line of text before each piece of work.

    Returns:
        The report, as `report.json` has it.

    Raises:
        UserError: if an argument is wrong or the directory is not empty.
        ResultError: if an artefact cannot be made or differs from the model; the
            report is written and names it.
    """
    _check(formats, verify.FORMATS, "format")
    _check(quantize, QUANTIZATIONS, "quantisation")
    if "huggingface" in formats and task.kind == "seq2seq":
        raise UserError("the format huggingface is for BERT, the task is seq2seq")
    examples = list(examples or task.examples)
    if not examples:
        raise UserError("export verifies on examples, and the task has none: give examples=...")
    directory = Path(directory)
    require_empty(directory, "choose another directory for the export")
    directory.mkdir(parents=True, exist_ok=True)
    task.save_without_weights(directory)
    progress(f"asking the Keras model about {len(examples)} examples")
    expected = verify.expected_of(task, examples)
    verify.save_expected(expected, directory)
    artefacts = []
    for kind, quantization, file in _artefacts(formats, quantize):
        progress(f"writing {file}")
        artefact = {"format": kind, "file": file, "quantize": quantization}
        _write(task, directory / file, kind, quantization)
        artefacts.append({**artefact, "bytes": _size(directory / file)})
    return _verify_and_report(task, directory, artefacts, expected, progress)


def verify_export(directory, progress=lambda message: None):
    """Runs every artefact of an export directory again and compares.

    Args:
        directory: what `export` wrote, wherever it lies now.
        progress: called with a line of text before each piece of work.

    Returns:
        The new report, which is also written.

    Raises:
        UserError: if the directory is no export.
        ResultError: if an artefact differs from what the Keras model had answered.
    """
    path = Path(directory) / REPORT_FILE
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        names = ("format", "file", "quantize")
        artefacts = [{name: artefact[name] for name in names} for artefact in old["artefacts"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{directory} is no export: {path}: {error}") from error
    artefacts = [{**a, "bytes": _size(Path(directory) / a["file"])} for a in artefacts]
    expected = verify.load_expected(directory)
    reader = load_reader(directory)
    return _verify_and_report(reader, Path(directory), artefacts, expected, progress, old)


def _verify_and_report(task, directory, artefacts, expected, progress, old=None):
    results = []
    for artefact in artefacts:
        progress(f"verifying {artefact['file']} in its own runtime")
        figures = verify.verify_artefact(
            task, expected, directory / artefact["file"], artefact["format"], artefact["quantize"]
        )
        results.append({**artefact, **figures})
    texts = verify.texts_of(task, expected)
    answers, references = list(expected["answers"]), list(expected["references"])
    about = old or {
        "task": task.kind,
        "model": type(task.model).__name__,
        "parameters": task.model.count_params(),
    }
    report = {
        **{name: about[name] for name in ("task", "model", "parameters")},
        "examples": len(texts),
        "keras": {"metric": compute_metrics(task.export_metrics, texts, answers, references)},
        "artefacts": results,
        "versions": versions(),
    }
    write_report(report, directory)
    failed = [f"{a['file']}: {a['failure']}" for a in results if not a["verified"]]
    if failed:
        raise ResultError(f"verification failed for {'; '.join(failed)}")
    return report


def _artefacts(formats, quantize):
    """The artefacts that were asked for: format, quantisation, file."""
    if "saved_model" in formats:
        yield "saved_model", "none", "saved_model/1"
    if "litert" in formats:
        for name in quantize:
            yield "litert", name, "model.tflite" if name == "none" else f"model.{name}.tflite"
    if "huggingface" in formats:
        yield "huggingface", "none", "huggingface"


def _write(task, path, kind, quantization):
    # Each writer loads its converter only when asked.
    if kind == "saved_model":
        from attention_zoo.export.saved_model import write_saved_model

        write_saved_model(task, path)
    elif kind == "huggingface":
        from attention_zoo.export.hugging_face import write_hugging_face

        write_hugging_face(task, path)
    else:
        from attention_zoo.export.litert import write_litert

        write_litert(task, path, quantization)


def _check(names, accepted, what):
    for name in names:
        if name not in accepted:
            raise UserError(f"there is no {what} {name!r}; {suggest(name, accepted)}")


def _size(path):
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0

"""Builds the page: an exported LiteRT file, its tokenizers, and LiteRT.js."""

import gzip
import os
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.export.artefact import load_artefact
from attention_zoo.export.results import REPORT_FILE, Report, read_report
from attention_zoo.files import new_directory
from attention_zoo.json_files import check_content, json_text, read_json
from attention_zoo.playground.tokenizers import describe_tokenizer
from attention_zoo.tasks.classify.task import SEPARATOR

_KINDS = ("seq2seq", "classify")
_WHOLE, _STREAM = "litert_static", "litert_stream"
_FOLDERS = {"page": "", "litert": "litert"}


def write_playground(export: str | Path, out: str | Path) -> Path:
    """Writes a static page that answers with an exported LiteRT file, in the browser.

    Args:
        export: an export directory with `static.tflite`, and for tokens as they are written
            `stream.tflite`; of several, the files in float32 or else the first that were verified.
        out: the directory to write; any web server can serve it.

    Returns:
        The directory.

    Raises:
        UserError: if the export has no such file, its task or tokenizer has no page, or the
            directory is not empty.
    """
    export, out = Path(export), Path(out)
    read_report(export)  # rejects what is no export, or lists what this version does not export
    report = check_content(read_json(export / REPORT_FILE), Report, export / REPORT_FILE)
    files = {name: _file_of(report, name) for name in (_WHOLE, _STREAM)}
    if files[_WHOLE] is None:
        raise UserError(
            f"{export} has no verified static.tflite, which the page runs: export it with "
            "--formats litert_static,litert_stream"
        )
    # Loading compares each with the report's checksum.
    tasks: Any = [load_artefact(export / name) for name in files.values() if name]
    task = tasks[0]
    if task.kind not in _KINDS:
        raise UserError(f"the playground is for {' and '.join(_KINDS)}, not for {task.kind}")
    with new_directory(out, "choose another --out"):
        for name in filter(None, files.values()):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(export / name, out / name)
        runtime = _copy_page(out)
        config = {
            "kind": task.kind,
            "title": " to ".join(task.fields) if task.decodes else ", ".join(task.fields),
            "file": files[_WHOLE],
            "bytes": os.stat(export / str(files[_WHOLE])).st_size,
            "stream": files[_STREAM],
            "runtime": runtime,
            "example": _example(report),
            **(_of_seq2seq(task) if task.decodes else _of_classify(task)),
        }
        text = json_text(config, ensure_ascii=False)
        (out / "config.json").write_text(text, encoding="utf-8")
    return out


def _file_of(report: Report, name: str) -> str | None:
    """The file of a format: in float32, or else the first one that was verified."""
    found = [a for a in report.artefacts if a.format == name and a.verified]
    found.sort(key=lambda artefact: artefact.quantize != "none")
    return found[0].file if found else None


def _copy_page(out: Path) -> str:
    """Copies page and runtime; the name of the runtime's loader."""
    runtime = ""
    for folder, target in _FOLDERS.items():
        (out / target).mkdir(exist_ok=True)
        for source in resources.files("attention_zoo.playground").joinpath(folder).iterdir():
            content, name = source.read_bytes(), source.name
            if name.endswith(".gz"):
                content, name = gzip.decompress(content), name.removesuffix(".gz")
                runtime = name.replace(".wasm", ".js")
            (out / target / name).write_bytes(content)
    return runtime


def _example(report: Report) -> list[str]:
    """The texts to begin with: those of the report's example."""
    example = report.example or {}
    return [example[name] for name in ("text", "pair") if isinstance(example.get(name), str)]


def _of_seq2seq(task: Any) -> dict[str, Any]:
    return {
        "source": describe_tokenizer(task.source_tokenizer),
        "target": describe_tokenizer(task.target_tokenizer),
        "max_source_length": task.max_source_length,
        "replace_unknown": task.replace_unknown,
    }


def _of_classify(task: Any) -> dict[str, Any]:
    return {
        "source": describe_tokenizer(task.tokenizer),
        "max_length": task.max_length,
        "inputs": len(task.text_inputs),
        "labels": task.labels,
        "problem": task.problem,
        "threshold": task.threshold,
        "separator": SEPARATOR,
    }

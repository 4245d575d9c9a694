"""The report of an export: `report.json` for machines, `report.md` and a table for people."""

import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from attention_zoo.export.formats import FORMATS
from attention_zoo.export.results import REPORT_FILE, Artefact, KerasResult, Report
from attention_zoo.files import atomic_file
from attention_zoo.json_files import json_text

_PACKAGES = ("attention-zoo", "tensorflow", "tensorflow-text", "keras", "ai-edge-litert", "numpy")
_EXTRA_PACKAGES = ("tf_keras", "tf2onnx", "onnxruntime", "mediapipe")
_COLUMNS = ("artefact", "size", "verified", "max difference", "same answers", "quality", "latency")


Row = Sequence[str]


def versions() -> dict[str, str]:
    """The versions of the packages that made the artefacts."""
    extra = [name for name in _EXTRA_PACKAGES if importlib.util.find_spec(name)]
    packages = {name: importlib.metadata.version(name) for name in (*_PACKAGES, *extra)}
    return {"python": platform.python_version(), **packages}


def write_report(report: Report, directory: Path | str) -> None:
    """Writes `report.json` and `report.md` into an export directory."""
    directory = Path(directory)
    with atomic_file(directory / REPORT_FILE) as temporary:
        temporary.write_text(json_text(report.record, indent=2) + "\n", encoding="utf-8")
    with atomic_file(directory / "report.md") as temporary:
        temporary.write_text(_markdown(report), encoding="utf-8")


def report_rows(report: Report) -> tuple[Row, list[Row]]:
    """The table of a report: the names of its columns, and a row for each artefact."""
    keras = ("Keras model", "", "", "", "", _metric(report.keras.metric), "")
    return _COLUMNS, [keras, *(_row(artefact) for artefact in report.artefacts)]


def _row(artefact: Artefact) -> Row:
    return (
        artefact.file,
        f"{artefact.bytes / 1e6:.2f} MB",
        "yes" if artefact.verified else f"NO: {artefact.failure}",
        "" if artefact.max_abs_diff is None else f"{artefact.max_abs_diff:.1e}",
        "" if artefact.same_answers is None else f"{artefact.same_answers:.2%}",
        _metric(artefact.metric),
        _latency(artefact.latency_ms),
    )


def _metric(metric: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in metric.items())


def _latency(latency: Mapping[str, float]) -> str:
    return f"{latency['p50']:.1f} ms (p95 {latency['p95']:.1f})" if latency else ""


def _markdown(report: Report) -> str:
    """The report as one page."""
    origin = ", ".join(f"{name} `{value}`" for name, value in report.origin.items())
    about = (
        f"Task {report.task} with {report.model}, {report.parameters:,} weights"
        f"{f' ({origin})' if origin else ''}. Each artefact was run in its own runtime, in a "
        f"process without attention_zoo, on {report.examples} examples, and compared with the "
        "Keras model: the numbers, the answers, and the quality of the answers. A quantised "
        f"artefact may lose {report.max_drop} points of quality; one without a metric must "
        "keep a mean cosine of 0.99. Latency is measured on single examples, with one thread."
    )
    parts = [
        "# What was exported, and how far it differs",
        about,
        _table(*report_rows(report)),
        *_signatures_of_metrics(report.keras),
        "## Differences, speed and memory",
        "All differences are from the Keras model's logits or embeddings; memory is the peak of "
        "a process that loads the artefact and answers one example at a time. Texts that a "
        "runtime's own tokenizer tokenizes differently are not compared: see the column examples.",
        _table(*_figures(report)),
        *_changed(report.changed),
        *(_kept_in_float32(artefact) for artefact in report.artefacts if artefact.kept_in_float32),
        "## Clients",
        "The conditions under which each artefact was run and gave the same outputs: with XLA "
        "switched off, as in TF Serving; called from several threads at once (each with its own "
        "interpreter if an interpreter is not thread-safe); with no rows, one row and many rows; "
        "and with an input that is longer than the maximum length.",
        _table(("artefact", "run with"), _client_rows(report)),
        "## Signatures",
        _limits(report.limits),
        *_alike(report.artefacts, _signatures),
        "## Operators",
        "\n".join(
            f"- `{artefact.file}`: {artefact.operators}"
            for artefact in report.artefacts
            if artefact.operators
        )
        or "TensorFlow's and tensorflow-text's.",
        "## How to load",
        *_load_examples(report),
        "## Versions",
        f"Made with {_versions(report.versions)}. Run by:",
        *_alike(report.artefacts, lambda artefact: _versions(artefact.runtime)),
    ]
    return "\n\n".join(parts) + "\n"


def _signatures_of_metrics(keras: KerasResult) -> list[str]:
    """The sacreBLEU signatures, which make scores comparable."""
    lines = [f"{name} is `{signature}`" for name, signature in keras.signatures.items()]
    return [f"sacreBLEU signatures: {', '.join(lines)}."] if lines else []


def _table(columns: Row, rows: Iterable[Row]) -> str:
    table = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def _figures(report: Report) -> tuple[Row, list[Row]]:
    columns = (
        "artefact",
        "examples",
        "mean difference",
        "mean cosine",
        "other outputs",
        "lost",
        "all threads",
        "memory",
    )
    return columns, [_figures_row(artefact) for artefact in report.artefacts]


def _figures_row(artefact: Artefact) -> Row:
    mean, peak = artefact.mean_abs_diff, artefact.peak_bytes
    return (
        artefact.file,
        str(artefact.compared),
        "" if mean is None else f"{mean:.1e}",
        "" if mean is None else f"{artefact.cosine:.6f}",
        ", ".join(f"{name} {value:.1e}" for name, value in artefact.outputs.items()),
        _metric(artefact.drop),
        _latency(artefact.latency_all_ms),
        f"{peak / 1e6:.0f} MB" if peak else "",
    )


def _changed(files: Sequence[str]) -> list[str]:
    names = ", ".join(f"`{name}`" for name in files)
    return [f"NOT as exported, byte for byte: {names}."] if files else []


def _client_rows(report: Report) -> list[Row]:
    return [
        (artefact.file, ", ".join([*artefact.clients, "many rows"]))
        for artefact in report.artefacts
        if artefact.verified
    ]


def _limits(limits: Mapping[str, int]) -> str:
    lengths = ", ".join(f"`{name}` up to {length}" for name, length in limits.items())
    return (
        f"Maximum lengths of inputs, in ids, or in tokens for strings: {lengths}. "
        "The graph truncates longer inputs; files with fixed shapes do not accept them."
    )


def _kept_in_float32(artefact: Artefact) -> str:
    names = ", ".join(f"`{name}`" for name in artefact.kept_in_float32)
    return f"In `{artefact.file}` these weights keep 32 bits: {names}."


def _alike(artefacts: Iterable[Artefact], describe: Callable[[Artefact], str]) -> list[str]:
    """Descriptions of artefacts, each listed once for all files that share it."""
    files: dict[str, list[str]] = {}
    for artefact in artefacts:
        files.setdefault(describe(artefact), []).append(f"`{artefact.file}`")
    return [f"{', '.join(names)}:\n\n{text}" for text, names in files.items() if text]


def _load_examples(report: Report) -> list[str]:
    """How to load the first artefact of each format."""
    examples: dict[str, str] = {}
    for artefact in report.artefacts:
        if not examples.get(artefact.format):
            form = FORMATS[artefact.format]
            examples[artefact.format] = form.load_example(artefact, report)
    return [example for example in examples.values() if example]


def _versions(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in packages.items())


def _signatures(artefact: Artefact) -> str:
    return "\n".join(_signature(*item) for item in artefact.signatures.items())


def _signature(name: str, sides: Mapping[str, Mapping[str, str]]) -> str:
    inputs, outputs = (
        ", ".join(f"{key}: {kind}" for key, kind in sides[side].items())
        for side in ("inputs", "outputs")
    )
    return f"- `{name}({inputs})` gives `{outputs}`"

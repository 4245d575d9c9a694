"""The report of an export: for machines `report.json`, for people `report.md` and a table."""

import importlib.metadata
import json
import platform
from pathlib import Path

from attention_zoo.files import atomic_file

REPORT_FILE = "report.json"
_PACKAGES = ("attention-zoo", "tensorflow", "tensorflow-text", "keras", "ai-edge-litert", "numpy")
_COLUMNS = ("artefact", "size", "verified", "max difference", "same answers", "quality", "latency")


def versions():
    """The versions of everything that made the artefacts."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **found}


def write_report(report, directory):
    """Writes `report.json` and `report.md` into an export directory."""
    directory = Path(directory)
    with atomic_file(directory / REPORT_FILE) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    with atomic_file(directory / "report.md") as temporary:
        temporary.write_text(_markdown(report), encoding="utf-8")


def report_rows(report):
    """The table of a report: the names of its columns, and a row for each artefact."""
    rows = [("Keras model", "", "", "", "", _metric(report["keras"]["metric"]), "")]
    for artefact in report["artefacts"]:
        latency = artefact["latency_ms"]
        rows.append(
            (
                artefact["file"],
                f"{artefact['bytes'] / 1e6:.2f} MB",
                "yes" if artefact["verified"] else f"NO: {artefact['failure']}",
                "" if artefact["max_abs_diff"] is None else f"{artefact['max_abs_diff']:.1e}",
                "" if artefact["same_answers"] is None else f"{artefact['same_answers']:.2%}",
                _metric(artefact["metric"]),
                f"{latency['p50']:.1f} ms (p95 {latency['p95']:.1f})" if latency else "",
            )
        )
    return _COLUMNS, rows


def _metric(metric):
    return ", ".join(f"{name} {value:.2f}" for name, value in metric.items())


def _markdown(report):
    columns, rows = report_rows(report)
    table = [columns, ["---"] * len(columns), *rows]
    lines = [f"| {' | '.join(row)} |" for row in table]
    versions_list = ", ".join(f"{name} {value}" for name, value in report["versions"].items())
    return (
        "# What was exported, and how far it differs\n\n"
        f"Task {report['task']} with {report['model']}, {report['parameters']:,} weights. "
        f"Each artefact was run in its own runtime, in a process without attention_zoo, on "
        f"{report['examples']} examples, and compared with the Keras model: the logits of "
        "teacher forcing, the answers, and the quality of the answers. Latency is of one "
        "example at a time, by one thread in LiteRT and by all in TensorFlow.\n\n"
        + "\n".join(lines)
        + f"\n\nMade with {versions_list}.\n"
    )

"""Compares the runs in a folder, without TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.json_files import Content, read_json
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.train.ranking import rank

RECIPE_FILE = "recipe.yaml"
REPORT_FILE = "report.json"
_LOG_FILE = Path("logs", "metrics.jsonl")
_TASK_FILE = Path("task", "task.json")


class _Report(Content):
    steps: int
    tokens_per_second: int
    weights: str
    valid: dict[str, float]
    interrupted: bool = False


class _Task(Content):
    metrics: list[str]


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """A run in a table of runs.

    Attributes:
        path: its directory.
        state: `"finished"`, `"interrupted"`, `"unfinished"` (it runs, or was killed), or what is
            wrong with its files.
        task: the kind of task.
        model: its preset, or the name of the run it started from.
        seed: `train.seed`.
        steps: optimizer steps taken.
        tokens_per_second: targets per second, at the end.
        kept: which weights were kept.
        metrics: the names of its metrics, the most important first.
        valid: loss and metrics of the kept weights on the validation data.
    """

    path: str
    state: str
    task: str | None = None
    model: str | None = None
    seed: int | None = None
    steps: int | None = None
    tokens_per_second: int | None = None
    kept: str | None = None
    metrics: tuple[str, ...] = ()
    valid: dict[str, float] = dataclasses.field(default_factory=dict)


def list_runs(folder: str | Path) -> list[RunSummary]:
    """Summarises all runs below a folder.

    Args:
        folder: a folder of runs, or a run.

    Returns:
        The runs, task by task, and the best of each task first. Runs with different first metrics
        cannot be compared; they are grouped by it.

    Raises:
        UserError: if there is no such folder, or no run in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such directory")
    runs = [_summary(path.parent, folder) for path in sorted(folder.rglob(RECIPE_FILE))]
    if not runs:
        raise UserError(f"{folder} contains no runs, which `attention-zoo train` writes")
    # Sorted twice: sorting is stable.
    runs.sort(key=lambda run: rank(run.valid, run.metrics), reverse=True)
    runs.sort(key=lambda run: (run.task or "~", run.metrics[:1]))
    return runs


def _summary(run: Path, folder: Path) -> RunSummary:
    name = str(run.relative_to(folder)) if run != folder else run.name
    try:
        recipe = load_recipe(run / RECIPE_FILE)
        known = (run / _TASK_FILE).exists()
        metrics = _Task(**read_json(run / _TASK_FILE, _Task)).metrics if known else []
        base = RunSummary(
            path=name,
            state="unfinished",
            task=recipe.kind,
            model=recipe.model.preset or Path(recipe.model.pretrained or "").name,
            seed=recipe.train.seed,
            metrics=tuple(recipe.evaluate.metrics or metrics),
        )
        if not (run / REPORT_FILE).exists():
            return dataclasses.replace(base, **_from_log(run / _LOG_FILE, base.metrics))
        report = _Report(**read_json(run / REPORT_FILE, _Report))
    except UserError as error:
        return RunSummary(path=name, state=str(error).splitlines()[0])
    return dataclasses.replace(
        base,
        state="interrupted" if report.interrupted else "finished",
        steps=report.steps,
        tokens_per_second=report.tokens_per_second,
        kept=report.weights,
        valid=report.valid,
    )


def _from_log(path: Path, metrics: tuple[str, ...]) -> dict[str, Any]:
    """What the log says of a run that has not ended."""
    rows = list(_rows(path)) if path.exists() else []
    train = [row for row in rows if row["kind"] == "train"]
    valid = [row for row in rows if row["kind"] == "valid"]
    known: dict[str, Any] = {}
    if train:
        known["steps"] = train[-1]["step"]
        known["tokens_per_second"] = round(train[-1]["tokens_per_second"])
    if valid:
        best = max(valid, key=lambda row: (*rank(row, metrics), row["step"]))
        known["kept"] = f"step {best['step']}"
        known["valid"] = {name: best[name] for name in ("loss", *metrics) if name in best}
    return known


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a log; the last one may be incomplete while the run writes it."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            if {"kind", "step"} <= row.keys():
                yield row
        except (ValueError, AttributeError):
            continue

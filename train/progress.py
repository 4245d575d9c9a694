"""What training shows and records: a progress bar, `metrics.jsonl`, TensorBoard."""

import json
import time
from pathlib import Path
from typing import Any

import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from attention_zoo.files import atomic_file
from attention_zoo.json_files import json_text


class Progression:
    """Reports on a training, to standard error and to the log folder.

    Args:
        folder: where `metrics.jsonl` and TensorBoard's files go; None: nowhere.
        total: number of steps of the training.
        first: number of steps already taken; rows of later ones, which a run that was killed
            has left in the log, are taken out.
        evaluated: whether the last of them has been evaluated.
    """

    def __init__(self, folder, total, first=0, evaluated=True):
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=total, completed=first, figures="")
        self._total = total
        self._file: Any = None
        self._board: Any = None
        if folder is not None:
            log = Path(folder) / "metrics.jsonl"
            _keep_rows(log, first, evaluated)
            self._file = open(log, "a", encoding="utf-8")  # noqa: SIM115
            self._board = tf.summary.create_file_writer(str(folder))

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *_):
        self._bar.stop()
        if self._file:
            self._file.close()
            self._board.close()

    def steps(self, step, figures):
        """Reports on training up to a step: loss, tokens/s, learning rate."""
        summary = f"loss {figures['loss']:.3f}  {figures['tokens_per_second']:,.0f} tokens/s"
        self._bar.update(self._task, completed=step, figures=summary)
        self._record("train", step, figures)

    def evaluation(self, step, figures, is_best):
        """Reports on an evaluation, always with a line of its own."""
        best = "  (best)" if is_best else ""
        self.say(f"step {step:,} of {self._total:,}: {shown(figures)}{best}")
        self._record("valid", step, figures)

    def say(self, message):
        """Prints a line above the progress bar."""
        self.console.print(message, markup=False)

    def _record(self, kind, step, figures):
        if self._file is None:
            return
        row = {"time": round(time.time(), 3), "step": step, "kind": kind, **figures}
        self._file.write(json_text(row) + "\n")
        self._file.flush()
        with self._board.as_default():
            for name, value in figures.items():
                tf.summary.scalar(f"{kind}/{name}", value, step=step)
        self._board.flush()


def shown(figures):
    """Figures by name, as people read them.

    Example:
        >>> shown({"loss": 1.25, "bleu": 31.7})
        'loss 1.25  bleu 31.7'
    """
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _keep_rows(log, step, evaluated):
    """Takes the rows out of a log that a run will write again, or could not finish."""
    lines = log.read_text(encoding="utf-8").split("\n") if log.exists() else []
    kept = [line for line in lines if _is_done(line, step, evaluated)]
    with atomic_file(log) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _is_done(line, step, evaluated):
    try:
        row = json.loads(line)
        return row["step"] < step + (evaluated or row["kind"] == "train")
    except (ValueError, TypeError, KeyError):
        return False

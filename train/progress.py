"""Progress of training: a progress bar, `metrics.jsonl`, TensorBoard."""

import json
import time
from pathlib import Path
from typing import Any

import rich.progress
import tensorflow as tf
from rich.console import Console

from attention_zoo.files import atomic_file
from attention_zoo.json_files import json_text
from attention_zoo.text.lines import one_line


class Progress:
    """Reports the progress of training to standard error and to the log folder.

    Args:
        folder: the folder for `metrics.jsonl` and TensorBoard's files; None reports nothing at
            all, as in all workers but one.
        total: the number of training steps.
        first: the number of steps already taken; rows of later steps, which a killed run may
            have left in the log, are removed.
        evaluated: whether the last of them has been evaluated.
    """

    def __init__(self, folder, total, first=0, evaluated=True):
        is_quiet = folder is None
        self.console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=is_quiet)
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(bar_width=24),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[figures]}"),
            rich.progress.TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=total, completed=first, figures="")
        self._total = total
        self._file: Any = None
        self._board: Any = None
        if not is_quiet:
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
        """Reports training up to a step: loss, tokens/s, learning rate, gradient norm."""
        summary = (
            f"loss {figures['loss']:.3f}  {figures['tokens_per_second']:,.0f} tokens/s  "
            f"rate {figures['learning_rate']:.2g}  norm {figures['gradient_norm']:.2g}"
        )
        self._bar.update(self._task, completed=step, figures=summary)
        self._record("train", step, figures)

    def evaluation(self, step, figures, is_best):
        """Reports an evaluation, always on a separate line."""
        best = "  (best)" if is_best else ""
        self.say(f"step {step:,} of {self._total:,}: {shown(figures)}{best}")
        self._record("valid", step, figures)

    def samples(self, step, rows):
        """Shows sample answers in TensorBoard.

        Args:
            step: the step.
            rows: tuples of source, reference and answer.
        """
        if self._board is None or not rows:
            return
        table = ["| source | reference | answer |", "|---|---|---|"]
        table += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
        with self._board.as_default():
            tf.summary.text("valid/samples", "\n".join(table), step=step)
        self._board.flush()

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
    """Formats named figures for people.

    Example:
        >>> shown({"loss": 1.25, "bleu": 31.7})
        'loss 1.25  bleu 31.7'
    """
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _cell(text):
    """A text, or a tuple of texts, as a cell of a Markdown table."""
    texts = [text] if isinstance(text, str) else text
    return one_line(" / ".join(texts)).replace("|", "\\|")


def _keep_rows(log, step, evaluated):
    """Removes rows from a log that the resumed run will write again, or that are incomplete."""
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

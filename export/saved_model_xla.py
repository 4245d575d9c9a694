"""SavedModel whose numbers XLA compiles: once for each batch size and length, then faster.

XLA knows no strings and no dynamic shapes. So tokenizers stay outside of what it compiles, and
ids are padded to a few lengths.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from attention_zoo.export.saved_model import save_functions
from attention_zoo.layers.graph_settings import graph_settings
from attention_zoo.tasks.engine import KerasEngine, Numbers

# Ids are padded to the next of these, doubled until the task's greatest length is reached.
_SHORTEST = 16


def write_saved_model_xla(task: Any, directory: Path | str) -> None:
    """Writes a SavedModel with the signatures that answer and that are compared, compiled.

    The first call of a batch size and length waits for the compiler; in TF Serving, the warm-up
    requests do (`export/serving.py`).
    """
    functions = task.with_engine(XlaEngine(task.model)).signatures()
    wanted = ("serving_default", task.compared.signature)
    save_functions(task, {name: functions[name] for name in wanted}, directory)


class XlaEngine(KerasEngine):
    """The Keras model, compiled by XLA for a few lengths."""

    name = "the Keras model, compiled by XLA"

    def compute(self, task: Any, ids: Numbers) -> Numbers:
        """See `Engine`."""
        padded = {name: _pad(task, rows, name) for name, rows in ids.items()}
        numbers = _jit(task.model, task.compute)(padded)
        if not (task.by_token or task.decodes):
            return numbers
        # There is an output for each of these tokens.
        length = tf.shape(ids["target_ids" if task.decodes else "token_ids"])[1]
        return {name: array[:, :length] for name, array in numbers.items()}

    def decode(self, task: Any, ids: Numbers, options: Mapping[str, Any]) -> Numbers:
        """See `Engine`."""
        padded = {name: _pad(task, rows, name) for name, rows in ids.items()}
        return _jit(task.model, lambda rows: task.decode(rows, **options))(padded)


def _jit(model: Any, function: Callable[..., Any]) -> Any:
    def traced(*arguments):
        with graph_settings(model, writes_in_place=True):
            return function(*arguments)

    return tf.function(traced, jit_compile=True, autograph=False)


def padded_lengths(longest: int) -> list[int]:
    """The few lengths that are compiled for, given the greatest that ids have."""
    lengths = [min(_SHORTEST, longest)]
    while lengths[-1] < longest:
        lengths.append(min(2 * lengths[-1], longest))
    return lengths


def _pad(task: Any, ids: Any, name: str) -> tf.Tensor:
    """Ids `(B, T)` with padding up to one of a few lengths."""
    lengths = padded_lengths(task.longest(name))
    length = tf.shape(ids)[1]
    enough = tf.boolean_mask(lengths, tf.constant(lengths) >= length)
    return tf.pad(ids, [[0, 0], [0, enough[0] - length]])

"""SavedModel compiled by XLA, once for each batch size and length.

XLA supports neither strings nor dynamic shapes. So tokenizers are not compiled, and ids are padded
to a few lengths.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from attention_zoo.export.saved_model import save_functions
from attention_zoo.layers.graph_settings import graph_settings
from attention_zoo.tasks.engine import KerasEngine, Numbers

# Ids are padded to this length, doubled as needed, up to the task's maximum length.
_SHORTEST = 16


def write_saved_model_xla(task: Any, directory: Path | str) -> None:
    """Writes a SavedModel whose signatures to answer and to compare are compiled by XLA.

    The first call for a batch size and length waits for the compiler; in TF Serving, the warm-up
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
        # Drop the outputs for the added padding.
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
    """The lengths to compile for, given the maximum length of ids."""
    lengths = [min(_SHORTEST, longest)]
    while lengths[-1] < longest:
        lengths.append(min(2 * lengths[-1], longest))
    return lengths


def _pad(task: Any, ids: Any, name: str) -> tf.Tensor:
    """Ids `(B, T)`, padded to the next length that is compiled for."""
    lengths = padded_lengths(task.longest(name))
    length = tf.shape(ids)[1]
    enough = tf.boolean_mask(lengths, tf.constant(lengths) >= length)
    return tf.pad(ids, [[0, 0], [0, enough[0] - length]])

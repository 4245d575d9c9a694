"""Engines: what computes a task's numbers, the Keras model or an artefact in its own runtime."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError

if TYPE_CHECKING:
    import keras

Numbers = Mapping[str, Any]


class Engine:
    """What stands between a task's ids and its numbers, or between its strings and its answers.

    Subclasses give `compute`, and `decode` if the answers of the task are decoded. One that takes
    strings gives `respond` instead.

    Attributes:
        name: what it is, for messages.
        in_graph: whether `compute` and `decode` can be part of a TensorFlow graph.
        searches_itself: whether how it decodes is fixed, so that no option can change it.
    """

    name = "this engine"
    in_graph = False
    searches_itself = False

    @property
    def model(self) -> keras.Model:
        """The Keras model.

        Raises:
            UserError: if the engine is an artefact, which has none.
        """
        raise UserError(f"{self.name} has no Keras model: load the run it was exported from")

    def compute(self, task: Any, ids: Numbers) -> Numbers:
        """Ids by name, int32 `(B, T)`, to the numbers that the task reads, by name."""
        raise UserError(f"{self.name} does not take ids")

    def decode(self, task: Any, ids: Numbers, options: Mapping[str, Any]) -> Numbers:
        """Source ids to answers in ids.

        Args:
            task: a task whose answers are decoded.
            ids: `source_ids`, int32 `(B, S)`.
            options: how to search, or to sample.

        Returns:
            `target_ids` `(B, N, L)`, `score` `(B, N)`, and where unknown tokens are replaced
            `positions` `(B, N, L)`.
        """
        raise UserError(f"{self.name} does not decode")

    def respond(
        self, task: Any, columns: Sequence[np.ndarray], options: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Strings to named outputs.

        Args:
            task: the task.
            columns: arrays of UTF-8 bytes, one for each input of the task.
            options: how to search; empty for tasks that do not decode.

        Returns:
            What `task.respond` gives, as arrays.
        """
        outputs = task.responder(options)(*(tf.constant(column) for column in columns))
        return {name: np.asarray(value) for name, value in outputs.items()}

    def guard(self) -> contextlib.AbstractContextManager:
        """Surrounds what is asked of the engine, to explain what goes wrong."""
        return contextlib.nullcontext()


class KerasEngine(Engine):
    """The Keras model of a task.

    Args:
        model: the model.
    """

    name = "the Keras model"
    in_graph = True

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    @property
    def model(self) -> keras.Model:
        """The Keras model."""
        return self._model

    def compute(self, task: Any, ids: Numbers) -> Numbers:
        """See `Engine`."""
        return task.compute(ids)

    def decode(self, task: Any, ids: Numbers, options: Mapping[str, Any]) -> Numbers:
        """See `Engine`."""
        return task.decode(ids, **options)


class Reader(Engine):
    """No engine: for a task that only reads what artefacts have answered."""

    name = "what lies beside the artefacts"

"""Engines compute a task's numbers: the Keras model, or an artefact in its own runtime."""

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
    """Computes numbers from a task's ids, or outputs from its strings.

    Subclasses implement `compute`, and `decode` for tasks that decode answers. Engines that take
    strings implement `respond` instead.

    Attributes:
        name: what it is, for messages.
        in_graph: whether `compute` and `decode` can be part of a TensorFlow graph.
        searches_itself: whether decoding is built in, so that options cannot change it.
    """

    name = "this engine"
    in_graph = False
    searches_itself = False

    @property
    def model(self) -> keras.Model:
        """The Keras model.

        Raises:
            UserError: if the engine is an artefact, which does not have one.
        """
        raise UserError(f"{self.name} has no Keras model: load the run it was exported from")

    def compute(self, task: Any, ids: Numbers) -> Numbers:
        """Named ids, int32 `(B, T)`, to the named numbers that the task reads."""
        raise UserError(f"{self.name} does not take ids")

    def decode(self, task: Any, ids: Numbers, options: Mapping[str, Any]) -> Numbers:
        """Source ids to answers in ids.

        Args:
            task: a task whose answers are decoded.
            ids: `source_ids`, int32 `(B, S)`.
            options: how to search or to sample.

        Returns:
            `target_ids` `(B, N, L)`, `score` `(B, N)`, and `positions` `(B, N, L)` if unknown
            tokens are replaced.
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
            The outputs of `task.respond`, as arrays.
        """
        outputs = task.responder(options, len(columns))(
            *(tf.constant(column) for column in columns)
        )
        return {name: np.asarray(value) for name, value in outputs.items()}

    def guard(self) -> contextlib.AbstractContextManager:
        """A context for calls of the engine, which turns errors into messages."""
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
    """Computes nothing: for a task that only reads the outputs of artefacts."""

    name = "an export directory"

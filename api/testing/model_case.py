"""A model to test, and what the checks of both kinds of models have in common."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from attention_zoo.testing.check import expect, expect_equal, randomize


@dataclasses.dataclass(frozen=True)
class ModelCase:
    """A model to test, and how near mixed precision has to come.

    Attributes:
        make: a function without arguments that makes a new model.
        mixed_tolerance: by how much logits in mixed_bfloat16 may differ from those in float32.
    """

    make: Callable[[], Any]
    mixed_tolerance: float = 0.05

    @property
    def name(self) -> str:
        """The class of the model."""
        return type(self.model).__name__

    @cached_property
    def model(self) -> Any:
        """A model with random weights, the same one each time."""
        return randomize(self.make())


def round_trip(model: Any) -> Any:
    """The model that is made of the configuration of another, by way of JSON."""
    config = json.loads(json.dumps(model.get_config()))
    twin = type(model).from_config(config)
    again = json.loads(json.dumps(twin.get_config()))
    for name in config:
        value = again.get(name)
        expect(value == config[name], f"{name} is {config[name]!r}, of the copy {value!r}")
    twin.set_weights(model.get_weights())
    return twin


def saved_and_loaded(model: Any) -> Any:
    """The model after it was saved as .keras and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded: Any = keras.models.load_model(path)
    count = len(model.weights)
    expect(len(loaded.weights) == count, f"{len(loaded.weights)} weights were loaded of {count}")
    return loaded


def expect_same_weights(model: Any, before: list[np.ndarray]) -> None:
    """Raises an `AssertionError` unless the weights are as before."""
    after = model.get_weights()
    expect(len(after) == len(before), f"{len(before)} weights became {len(after)}")
    for weight, old in zip(model.weights, before, strict=True):
        expect_equal(weight, old, weight.path)

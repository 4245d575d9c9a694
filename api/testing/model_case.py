"""A model to test, and helpers for the checks of both kinds of models."""

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
from attention_zoo.zoo.weights import WEIGHTS_FILE, read_weights, write_weights


@dataclasses.dataclass(frozen=True)
class ModelCase:
    """A model to test, and the tolerance of mixed precision.

    Attributes:
        make: a function without arguments that returns a new model.
        mixed_tolerance: how much logits in mixed_bfloat16 may differ from those in float32.
    """

    make: Callable[[], Any]
    mixed_tolerance: float = 0.05

    @property
    def name(self) -> str:
        """The class of the model."""
        return type(self.model).__name__

    @cached_property
    def model(self) -> Any:
        """A model with random weights, always the same one."""
        return randomize(self.make())


def example_ids(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Source ids (2, 5), the first row with two ids of padding, and target ids (2, 4)."""
    rng = np.random.default_rng(3)
    sources = rng.integers(1, model.source_vocab_size, (2, 5), "int32")
    sources[0, 3:] = 0
    return sources, rng.integers(1, model.target_vocab_size, (2, 4), "int32")


def example_inputs(model: Any) -> dict[str, np.ndarray]:
    """Token ids (2, 5), the first row with one id of padding, segment ids, and the mask."""
    rng = np.random.default_rng(3)
    token_ids = rng.integers(1, model.vocab_size, (2, 5), "int32")
    segment_ids = rng.integers(0, getattr(model, "num_segments", 2), (2, 5), "int32")
    token_ids[0, 4:] = segment_ids[0, 4:] = 0
    mask = (token_ids > 0).astype("int32")
    return {"token_ids": token_ids, "segment_ids": segment_ids, "mask": mask}


def example_batches(model: Any) -> list[Any]:
    """What the model is called on, two batches of different sizes: the second one is smaller."""
    if hasattr(model, "step"):
        source, target = example_ids(model)
        return [[source, target], [source[:1, :3], target[:1, :2]]]
    inputs = example_inputs(model)
    return [inputs, {name: array[1:, :3] for name, array in inputs.items()}]


def round_trip(model: Any) -> Any:
    """A model built from the configuration of another, converted to JSON and back."""
    config = json.loads(json.dumps(model.get_config()))
    twin = type(model).from_config(config)
    again = json.loads(json.dumps(twin.get_config()))
    for name in config:
        value = again.get(name)
        expect(value == config[name], f"{name} is {config[name]!r}, in the copy {value!r}")
    twin.set_weights(model.get_weights())
    return twin


def saved_and_loaded(model: Any) -> Any:
    """The model after saving as .keras and loading."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded: Any = keras.models.load_model(path)
    count = len(model.weights)
    expect(len(loaded.weights) == count, f"{len(loaded.weights)} of {count} weights were loaded")
    return loaded


def with_saved_weights(model: Any, source: Any) -> Any:
    """The model with the weights of another, written to a safetensors file and read from it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WEIGHTS_FILE
        write_weights(source, path)
        read_weights(model, path)
    return model


def expect_same_weights(model: Any, before: list[np.ndarray]) -> None:
    """Raises an `AssertionError` unless the weights are unchanged."""
    after = model.get_weights()
    expect(len(after) == len(before), f"{len(before)} weights became {len(after)}")
    for weight, old in zip(model.weights, before, strict=True):
        expect_equal(weight, old, weight.path)

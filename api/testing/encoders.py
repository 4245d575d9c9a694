"""Checks of encoders; `attention_zoo.zoo` documents the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.testing.check import (
    Check,
    arrays_of,
    check,
    copy_of,
    dtype_policy,
    expect,
    expect_close,
    expect_equal,
)
from attention_zoo.testing.model_case import (
    ModelCase,
    expect_same_weights,
    round_trip,
    saved_and_loaded,
)

_HALF = "mixed_bfloat16"


def example_inputs(model: Any) -> dict[str, np.ndarray]:
    """Token ids (2, 5), the first row with one id of padding, segment ids, and the mask."""
    rng = np.random.default_rng(3)
    token_ids = rng.integers(1, model.vocab_size, (2, 5), "int32")
    segment_ids = rng.integers(0, getattr(model, "num_segments", 2), (2, 5), "int32")
    token_ids[0, 4:] = segment_ids[0, 4:] = 0
    mask = (token_ids > 0).astype("int32")
    return {"token_ids": token_ids, "segment_ids": segment_ids, "mask": mask}


def named(outputs: Any) -> dict[str, np.ndarray]:
    """Outputs as a dict of arrays; a single tensor is called logits."""
    outputs = outputs if isinstance(outputs, Mapping) else {"logits": outputs}
    return {name: arrays_of(value)[0] for name, value in outputs.items()}


def expect_same(
    outputs: Any, expected: Any, mask: np.ndarray, message: str, **tolerance: float
) -> None:
    """Raises an `AssertionError` unless outputs are the same, ignoring padding.

    Args:
        outputs: the outputs of a model.
        expected: the expected ones, for inputs that may be narrower.
        mask: the mask of these inputs.
        message: what is compared.
        **tolerance: `atol` and `rtol`.
    """
    ours, theirs = named(outputs), named(expected)
    expect(ours.keys() == theirs.keys(), f"{message}: {sorted(ours)}, not {sorted(theirs)}")
    for name, value in theirs.items():
        one = ours[name]
        if value.ndim == 3:  # an output for each token
            one, value = one[:, : value.shape[1]][mask > 0], value[mask > 0]
        expect_close(one, value, f"{message}: {name}", **tolerance)


@check("call: `mask`, 0 for padding, in attention and in means over tokens")
def padding_changes_nothing(case: ModelCase) -> None:
    """Padding changes no output of a token or a text."""
    inputs = example_inputs(case.model)
    wider = {name: np.pad(array, [(0, 0), (0, 2)]) for name, array in inputs.items()}
    outputs, expected = case.model(wider), case.model(inputs)
    expect_same(outputs, expected, inputs["mask"], "2 more tokens of padding", atol=1e-5)


@check("call: operations over axis 0, the batch")
def batch_changes_nothing(case: ModelCase) -> None:
    """A text has the same outputs alone and in a batch."""
    inputs = example_inputs(case.model)
    alone = {name: array[:1, :4] for name, array in inputs.items()}
    together = {name: array[:1] for name, array in named(case.model(inputs)).items()}
    message = "a text in a batch and alone"
    expect_same(together, case.model(alone), alone["mask"], message, atol=1e-5)


@check("call: inputs are a dict, in which `mask` is optional; padding is id 0")
def mask_may_be_omitted(case: ModelCase) -> None:
    """Without a mask, tokens with id 0 are padding."""
    inputs = example_inputs(case.model)
    outputs = case.model({n: inputs[n] for n in ("token_ids", "segment_ids")})
    message = "without a mask and with it"
    expect_same(outputs, case.model(inputs), inputs["mask"], message, atol=0, rtol=0)


@check("get_config and __init__: every constructor argument is an attribute with the same value")
def config_round_trip(case: ModelCase) -> None:
    """A model built from the configuration, with the same weights, has the same outputs."""
    inputs = example_inputs(case.model)
    outputs, expected = round_trip(case.model)(inputs), case.model(inputs)
    expect_same(outputs, expected, inputs["mask"], "copy and original", atol=0, rtol=0)


@check(
    "keras.saving.register_keras_serializable, get_config, and weights created in __init__ or build"
)
def save_and_load(case: ModelCase) -> None:
    """A model is the same after saving as .keras and loading."""
    inputs = example_inputs(case.model)
    outputs, expected = saved_and_loaded(case.model)(inputs), case.model(inputs)
    expect_same(outputs, expected, inputs["mask"], "before and after", atol=0, rtol=0)


@check("build: does it create or reinitialise weights if the model is already built?")
def building_again_changes_no_weight(case: ModelCase) -> None:
    """Building a model again does not change its weights."""
    before = case.model.get_weights()
    case.model.build((None, 3))
    expect_same_weights(case.model, before)


@check("call: sizes from keras.ops.shape, no Python conditions on values of tensors")
def graph_with_dynamic_shapes(case: ModelCase) -> None:
    """In a graph with unknown batch size and length, outputs are the same."""
    _graph_agrees(case.model, compiled=False)


@check("call: operations with static shapes; not tf.where, ragged tensors or strings")
def xla_with_dynamic_shapes(case: ModelCase) -> None:
    """Compiled by XLA, outputs are the same."""
    _graph_agrees(case.model, compiled=True)


def _graph_agrees(model: Any, compiled: bool) -> None:
    inputs = example_inputs(model)
    function = tf.function(
        lambda *arrays: model(dict(zip(inputs, arrays, strict=True))),
        input_signature=[tf.TensorSpec([None, None], tf.int32)] * 3,
        jit_compile=compiled,
        autograph=False,
    )
    for batch in (inputs, {name: array[1:, :3] for name, array in inputs.items()}):
        shape = f"token ids of shape {batch['token_ids'].shape}"
        outputs = function(*(tf.constant(array) for array in batch.values()))
        expect_same(outputs, model(batch), batch["mask"], shape, atol=1e-5)


@check("dtypes in call: constants and masks need self.compute_dtype")
def mixed_precision_of_all_layers(case: ModelCase) -> None:
    """With the policy mixed_bfloat16, weights are float32 and outputs nearly the same."""
    single = case.make()
    with dtype_policy(_HALF):
        _is_nearly(case, single, case.make())


@check("__init__: it passes dtype to super().__init__, and dtype=self.dtype_policy to its layers")
def mixed_precision_of_this_model(case: ModelCase) -> None:
    """With dtype="mixed_bfloat16", weights are float32 and outputs nearly the same."""
    single = case.make()
    _is_nearly(case, single, copy_of(single, dtype=_HALF))


def _is_nearly(case: ModelCase, single: Any, mixed: Any) -> None:
    inputs, near = example_inputs(single), case.mixed_tolerance
    mixed.set_weights(single.get_weights())
    types = {str(weight.dtype) for weight in mixed.weights}
    expect(types == {"float32"}, f"weights are {', '.join(sorted(types))}")
    message = "bfloat16 and float32"
    expect_same(mixed(inputs), single(inputs), inputs["mask"], message, atol=near, rtol=near)


@check("call: dropout needs `training`, and nothing else may be random")
def nothing_is_drawn_outside_training(case: ModelCase) -> None:
    """Two calls have the same outputs."""
    inputs = example_inputs(case.model)
    expect_equal(case.model(inputs), case.model(inputs), "outputs of two calls")


ENCODER_CHECKS: tuple[Check[ModelCase], ...] = (
    padding_changes_nothing,
    batch_changes_nothing,
    mask_may_be_omitted,
    config_round_trip,
    save_and_load,
    building_again_changes_no_weight,
    graph_with_dynamic_shapes,
    xla_with_dynamic_shapes,
    mixed_precision_of_all_layers,
    mixed_precision_of_this_model,
    nothing_is_drawn_outside_training,
)

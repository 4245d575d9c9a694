"""Checks of every model, sequence-to-sequence or encoder."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from attention_zoo.testing.check import (
    Check,
    check,
    copy_of,
    expect,
    expect_close,
    expect_equal,
)
from attention_zoo.testing.model_case import (
    ModelCase,
    example_batches,
    expect_same_weights,
    round_trip,
    saved_and_loaded,
    with_saved_weights,
)
from attention_zoo.zoo.precision import dtype_policy

_HALF = "mixed_bfloat16"


@check("get_config and __init__: every constructor argument is an attribute with the same value")
def config_round_trip(case: ModelCase) -> None:
    """A model built from the configuration, with the same weights, has the same outputs."""
    inputs, _ = example_batches(case.model)
    expect_equal(round_trip(case.model)(inputs), case.model(inputs), "outputs of the copy")


@check(
    "keras.saving.register_keras_serializable, get_config, and weights created in __init__ or build"
)
def save_and_load(case: ModelCase) -> None:
    """A model is the same after saving as .keras and loading."""
    inputs, _ = example_batches(case.model)
    outputs, expected = saved_and_loaded(case.model)(inputs), case.model(inputs)
    expect_equal(outputs, expected, "outputs after loading")


@check("names of layers: weights are saved by name, in training and in task directories")
def weights_by_name(case: ModelCase) -> None:
    """A new model has the same outputs after loading the weights that training saves."""
    inputs, _ = example_batches(case.model)
    outputs, expected = with_saved_weights(case.make(), case.model)(inputs), case.model(inputs)
    expect_equal(outputs, expected, "outputs after loading the weights")


@check("build: does it create or reinitialise weights if the model is already built?")
def building_again_changes_no_weight(case: ModelCase) -> None:
    """Building a model again does not change its weights."""
    before = case.model.get_weights()
    is_seq2seq = hasattr(case.model, "step")
    case.model.build([(None, None), (None, None)] if is_seq2seq else (None, 3))
    expect_same_weights(case.model, before)


@check("call: sizes from keras.ops.shape, no Python conditions on values of tensors")
def graph_with_dynamic_shapes(case: ModelCase) -> None:
    """In a graph with unknown batch size and lengths, outputs are the same."""
    _graph_agrees(case.model, compiled=False)


@check("call: operations with static shapes; not tf.where, ragged tensors or strings")
def xla_with_dynamic_shapes(case: ModelCase) -> None:
    """Compiled by XLA, outputs are the same."""
    _graph_agrees(case.model, compiled=True)


def _graph_agrees(model: Any, compiled: bool) -> None:
    batches = example_batches(model)
    function = tf.function(
        lambda *arrays: model(keras.tree.pack_sequence_as(batches[0], arrays)),
        input_signature=[tf.TensorSpec([None, None], tf.int32)] * len(batches[0]),
        jit_compile=compiled,
        autograph=False,
    )
    for batch in batches:
        arrays = keras.tree.flatten(batch)
        shapes = ", ".join(str(array.shape) for array in arrays)
        outputs = function(*map(tf.constant, arrays))
        expect_close(outputs, model(batch), f"outputs for inputs of the shapes {shapes}")


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
    (inputs, _), near = example_batches(single), case.mixed_tolerance
    mixed.set_weights(single.get_weights())
    types = {str(weight.dtype) for weight in mixed.weights}
    expect(types == {"float32"}, f"weights are {', '.join(sorted(types))}")
    outputs = mixed(inputs)
    if hasattr(single, "step"):
        expect(outputs.dtype == tf.bfloat16, f"logits are {outputs.dtype.name}")
    expect_close(outputs, single(inputs), "bfloat16 and float32", atol=near, rtol=near)


@check("call: dropout needs `training`, and nothing else may be random")
def nothing_is_drawn_outside_training(case: ModelCase) -> None:
    """Two calls have the same outputs."""
    inputs, _ = example_batches(case.model)
    expect_equal(case.model(inputs), case.model(inputs), "outputs of two calls")


EVERY_MODEL_CHECKS: tuple[Check[ModelCase], ...] = (
    config_round_trip,
    save_and_load,
    weights_by_name,
    building_again_changes_no_weight,
    graph_with_dynamic_shapes,
    xla_with_dynamic_shapes,
    mixed_precision_of_all_layers,
    mixed_precision_of_this_model,
    nothing_is_drawn_outside_training,
)

"""What holds for every sequence-to-sequence model; `attention_zoo.zoo` has the contract."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from attention_zoo.testing.check import (
    Check,
    arrays_of,
    check,
    copy_of,
    dtype_policy,
    expect,
    expect_changed,
    expect_close,
    expect_equal,
)
from attention_zoo.testing.model_case import (
    ModelCase,
    expect_same_weights,
    round_trip,
    saved_and_loaded,
)

_LENGTH = 6  # of targets that are decoded
# Layer normalisation of a handful of units magnifies rounding; a mistake is far greater.
_ROUNDING = {"atol": 5e-5, "rtol": 1e-5}
_HALF = "mixed_bfloat16"


def example_ids(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Source ids (2, 5), the first with two of padding, and target ids (2, 4)."""
    rng = np.random.default_rng(3)
    sources = rng.integers(1, model.source_vocab_size, (2, 5), "int32")
    sources[0, 3:] = 0
    return sources, rng.integers(1, model.target_vocab_size, (2, 4), "int32")


@check("start, step and reorder: every tensor of the cache is (B, N, ...), and step reads position")
def steps_agree_with_the_call(case: ModelCase) -> None:
    """Steps give the logits of the call, whatever the parents of hypotheses."""
    for hypotheses in (1, 3):
        _steps_agree(case.model, hypotheses)


def _steps_agree(model: Any, hypotheses: int) -> None:
    rng = np.random.default_rng(2)
    source, _ = example_ids(model)
    vocab, shape = model.target_vocab_size, (len(source), hypotheses)
    memory = model.encode(source)
    cache = model.start(memory, _LENGTH, hypotheses)
    sources = np.repeat(source, hypotheses, axis=0)
    history = np.zeros((*shape, 0), "int32")
    for position in range(_LENGTH):
        tokens = rng.integers(1, vocab, shape, "int32")
        history = np.concatenate([history, tokens[:, :, None]], axis=2)
        logits, cache, _ = model.step(tokens, position, cache, memory)
        expected = model([sources, history.reshape(len(sources), -1)])[:, -1]
        message = f"logits of step {position} and of the call, with {hypotheses} hypotheses"
        expect_close(logits, tf.reshape(expected, (*shape, vocab)), message, **_ROUNDING)
        parents = rng.integers(0, hypotheses, shape, "int32")
        history = np.take_along_axis(history, parents[:, :, None], axis=1)
        cache = model.reorder(cache, parents)


@check("step: what it reads from the cache before `reorder` was called for the first time")
def steps_without_reorder_agree_with_the_call(case: ModelCase) -> None:
    """Greedy search, which never reorders, gets the logits of the call."""
    model = case.model
    source, target = example_ids(model)
    memory = model.encode(source)
    cache, expected = model.start(memory, target.shape[1]), model([source, target])
    for position in range(target.shape[1]):
        logits, cache, _ = model.step(target[:, position, None], position, cache, memory)
        message = f"logits of step {position}"
        expect_close(logits[:, 0], expected[:, position], message, **_ROUNDING)


def _attends(case: ModelCase) -> bool:
    return bool(getattr(case.model, "attends", False))


@check("attention_weights and the third output of step; or set attends to False", _attends)
def attention_of_steps_is_that_of_the_call(case: ModelCase) -> None:
    """Weights sum to 1, padding has none, and steps give the mean of the last block's heads."""
    model = case.model
    source, target = example_ids(model)
    length = target.shape[1]
    attention = np.asarray(model.attention_weights([source, target]))
    expect(
        attention.shape[0] == len(source) and attention.shape[3:] == (length, source.shape[1]),
        f"attention_weights has the shape {attention.shape}, not (B, blocks, heads, T, S)",
    )
    sums = attention.sum(axis=-1)
    expect_close(sums, np.ones_like(sums), "sums of weights")
    padding = attention[0, ..., source[0] == 0]
    expect_equal(padding, np.zeros_like(padding), "weights of padding")
    memory = model.encode(source)
    cache = model.start(memory, length)
    for position in range(length):
        _, cache, step = model.step(target[:, position, None], position, cache, memory)
        expected = attention[:, -1, :, position].mean(axis=1)
        expect_close(step[:, 0], expected, f"weights of step {position}")


@check("call and encode: id 0 of the source is masked in attention, means and states")
def padding_changes_nothing(case: ModelCase) -> None:
    """Padding of the source or the target changes no logit."""
    model = case.model
    source, target = example_ids(model)
    logits = model([source, target])
    longer = np.pad(source, [(0, 0), (0, 3)])
    expect_close(model([longer, target]), logits, "logits with a longer source")
    more = np.pad(target, [(0, 0), (0, 2)])
    padded = model([source, more])[:, : target.shape[1]]
    expect_close(padded, logits, "logits with a longer target")


@check("call: what is computed over axis 0, the batch")
def batch_changes_nothing(case: ModelCase) -> None:
    """An example alone has the logits that it has in a batch."""
    model = case.model
    source, target = example_ids(model)
    alone = model([source[:1, :3], target[:1]])
    expect_close(model([source, target])[:1], alone, "logits in a batch and alone")


@check("call: the causal mask of the decoder, and what is computed over the target's axis")
def future_tokens_change_no_logit(case: ModelCase) -> None:
    """A target token changes its own logits or later ones, and no earlier ones."""
    model = case.model
    source, target = example_ids(model)
    before = arrays_of(model([source, target]))[0]
    for first in range(1, target.shape[1]):
        other = target.copy()
        other[:, first:] = other[:, first:] % (model.target_vocab_size - 1) + 1
        after = arrays_of(model([source, other]))[0]
        message = f"logits before position {first}, from which tokens were changed"
        expect_equal(after[:, :first], before[:, :first], message)
        change = np.abs(before - after)[:, first:].max()
        expect(change > 0.02, f"logits from position {first} on changed by {change:.3g}")


@check("call: a division by the number of tokens, or a softmax of nothing but masked scores")
def empty_source_is_finite(case: ModelCase) -> None:
    """A source of padding alone has finite logits."""
    source, target = example_ids(case.model)
    logits = arrays_of(case.model([0 * source, target]))[0]
    expect(np.isfinite(logits).all(), "logits are infinite or not a number")


@check("get_config and __init__: every constructor argument is an attribute of the same value")
def config_round_trip(case: ModelCase) -> None:
    """A model made from the configuration, with the same weights, has the same logits."""
    ids = [*example_ids(case.model)]
    expect_equal(round_trip(case.model)(ids), case.model(ids), "logits of copy and original")


@check(
    "keras.saving.register_keras_serializable, get_config, and weights made in __init__ or build"
)
def save_and_load(case: ModelCase) -> None:
    """A model is the same after it was saved as .keras and loaded."""
    ids = [*example_ids(case.model)]
    expect_equal(saved_and_loaded(case.model)(ids), case.model(ids), "logits before and after")


@check("build: does it make weights or draw them again where the model is built already?")
def building_again_changes_no_weight(case: ModelCase) -> None:
    """Building a model that is built leaves its weights as they are."""
    model = case.model
    before = model.get_weights()
    model.build([(None, None), (None, None)])
    expect_same_weights(model, before)


@check("call: sizes by keras.ops.shape, no Python conditions on values of tensors")
def graph_with_dynamic_shapes(case: ModelCase) -> None:
    """In a graph of unknown batch and lengths logits are the same."""
    _graph_agrees(case.model, compiled=False)


@check("call: operations with static shapes; tf.where, ragged tensors and strings have none")
def xla_with_dynamic_shapes(case: ModelCase) -> None:
    """Compiled by XLA logits are the same."""
    _graph_agrees(case.model, compiled=True)


def _batches(model: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    source, target = example_ids(model)
    return [(source, target), (source[:1, :3], target[:1, :2])]


def _graph_agrees(model: Any, compiled: bool) -> None:
    ids = tf.TensorSpec((None, None), "int32")
    function = tf.function(
        lambda source, target: model([source, target]),
        input_signature=[ids, ids],
        jit_compile=compiled,
    )
    for source, target in _batches(model):
        shapes = f"logits of ids of the shapes {source.shape} and {target.shape}"
        expect_close(function(source, target), model([source, target]), shapes)


@check("start and step: tensors of the cache keep their shapes, also where position is a tensor")
def steps_in_a_graph_with_dynamic_shapes(case: ModelCase) -> None:
    """In a loop of a graph steps give the logits of the call."""
    model = case.model

    @tf.function(input_signature=[tf.TensorSpec((None, None), "int32")] * 2)
    def steps(source, target):
        hypotheses, length = 3, tf.shape(target)[1]
        memory = model.encode(source)
        cache = model.start(memory, length, hypotheses)
        logits = tf.TensorArray("float32", length)
        for position in tf.range(length):
            tokens = tf.repeat(target[:, position, None], hypotheses, axis=1)
            output, cache, _ = model.step(tokens, position, cache, memory)
            cache = model.reorder(cache, tf.zeros_like(tokens))
            logits = logits.write(position, output[:, 2])
        return tf.transpose(logits.stack(), (1, 0, 2))

    for batch in _batches(model):
        expect_close(steps(*batch), model(batch), f"logits of sources {batch[0].shape}")


@check("dtypes in call and step: constants, masks and caches have self.compute_dtype")
def mixed_precision_of_all_layers(case: ModelCase) -> None:
    """Under the policy mixed_bfloat16 weights are float32 and logits bfloat16, nearly the same."""
    single = case.make()
    with dtype_policy(_HALF):
        _is_nearly(case, single, case.make())


@check("__init__: it passes dtype to super().__init__, and dtype=self.dtype_policy to its layers")
def mixed_precision_of_this_model(case: ModelCase) -> None:
    """With dtype="mixed_bfloat16" weights are float32 and logits bfloat16, nearly the same."""
    single = case.make()
    _is_nearly(case, single, copy_of(single, dtype=_HALF))


def _is_nearly(case: ModelCase, single: Any, mixed: Any) -> None:
    near = {"atol": case.mixed_tolerance, "rtol": case.mixed_tolerance}
    source, target = example_ids(single)
    mixed.set_weights(single.get_weights())
    types = {str(weight.dtype) for weight in mixed.weights}
    expect(types == {"float32"}, f"weights are {', '.join(sorted(types))}")
    logits, expected = mixed([source, target]), single([source, target])
    expect(logits.dtype == tf.bfloat16, f"logits are {logits.dtype.name}")
    expect_close(logits, expected, "logits in bfloat16 and float32", **near)
    memory = mixed.encode(source)
    cache = mixed.start(memory, target.shape[1])
    step, _, _ = mixed.step(target[:, :1], 0, cache, memory)
    expect_close(step[:, 0], expected[:, 0], "logits of a step in bfloat16 and float32", **near)


@check("call: every weight has a part in the logits, and nothing stops gradients")
def one_training_step_changes_every_weight(case: ModelCase) -> None:
    """A step of model.fit changes every trainable weight."""
    model = case.make()
    source, target = example_ids(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss)
    old = [weight.numpy() for weight in model.trainable_weights]
    model.fit([source, target], np.roll(target, -1, axis=1), verbose=0)
    expect_changed(old, model.trainable_weights, 1e-7)


@check("call: dropout gets `training`, and nothing else is drawn")
def nothing_is_drawn_outside_training(case: ModelCase) -> None:
    """Two calls have the same logits."""
    ids = [*example_ids(case.model)]
    expect_equal(case.model(ids), case.model(ids), "logits of two calls")


SEQ2SEQ_CHECKS: tuple[Check[ModelCase], ...] = (
    steps_agree_with_the_call,
    steps_without_reorder_agree_with_the_call,
    attention_of_steps_is_that_of_the_call,
    padding_changes_nothing,
    batch_changes_nothing,
    future_tokens_change_no_logit,
    empty_source_is_finite,
    config_round_trip,
    save_and_load,
    building_again_changes_no_weight,
    graph_with_dynamic_shapes,
    xla_with_dynamic_shapes,
    steps_in_a_graph_with_dynamic_shapes,
    mixed_precision_of_all_layers,
    mixed_precision_of_this_model,
    one_training_step_changes_every_weight,
    nothing_is_drawn_outside_training,
)

"""Checks of sequence-to-sequence models; `attention_zoo.zoo` documents the contract."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from attention_zoo.testing.check import (
    Check,
    arrays_of,
    check,
    expect,
    expect_changed,
    expect_close,
    expect_equal,
)
from attention_zoo.testing.every_model import EVERY_MODEL_CHECKS
from attention_zoo.testing.model_case import ModelCase, example_batches, example_ids
from attention_zoo.zoo.precision import dtype_policy

_LENGTH = 6  # of decoded targets
# Layer normalisation of a few units magnifies rounding; mistakes are far larger.
_ROUNDING = {"atol": 5e-5, "rtol": 1e-5}


@check("start, step and reorder: every tensor of the cache is (B, N, ...), and step reads position")
def steps_agree_with_the_call(case: ModelCase) -> None:
    """Steps give the logits of the call for any parents of hypotheses."""
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


@check("step: what it reads from the cache before the first call of `reorder`")
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
    """Weights sum to 1, padding has weight 0, and steps give the mean of the last block's heads."""
    model = case.model
    source, target = example_ids(model)
    length = target.shape[1]
    attention = np.asarray(model.attention_weights([source, target]))
    expect(
        attention.shape[0] == len(source) and attention.shape[3:] == (length, source.shape[1]),
        f"attention_weights has shape {attention.shape}, not (B, blocks, heads, T, S)",
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


@check("call and encode: id 0 of the source must be masked in attention, means and states")
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


@check("call: operations over axis 0, the batch")
def batch_changes_nothing(case: ModelCase) -> None:
    """An example has the same logits alone and in a batch."""
    model = case.model
    source, target = example_ids(model)
    alone = model([source[:1, :3], target[:1]])
    expect_close(model([source, target])[:1], alone, "logits in a batch and alone")


@check("call: the causal mask of the decoder, and operations over the target's axis")
def future_tokens_change_no_logit(case: ModelCase) -> None:
    """A target token changes its own or later logits, but no earlier ones."""
    model = case.model
    source, target = example_ids(model)
    before = arrays_of(model([source, target]))[0]
    for first in range(1, target.shape[1]):
        other = target.copy()
        other[:, first:] = other[:, first:] % (model.target_vocab_size - 1) + 1
        after = arrays_of(model([source, other]))[0]
        message = f"logits before position {first}, the first changed token"
        expect_equal(after[:, :first], before[:, :first], message)
        change = np.abs(before - after)[:, first:].max()
        expect(change > 0.02, f"logits from position {first} on changed by {change:.3g}")


@check("call: a division by the number of tokens, or a softmax of only masked scores")
def empty_source_is_finite(case: ModelCase) -> None:
    """A source of only padding has finite logits."""
    source, target = example_ids(case.model)
    logits = arrays_of(case.model([0 * source, target]))[0]
    expect(np.isfinite(logits).all(), "logits are infinite or not a number")


@check("start and step: tensors of the cache must keep their shapes, also if position is a tensor")
def steps_in_a_graph_with_dynamic_shapes(case: ModelCase) -> None:
    """In a graph loop, steps give the logits of the call."""
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

    for batch in example_batches(model):
        expect_close(steps(*batch), model(batch), f"logits of sources {batch[0].shape}")


@check("dtypes in step: constants, masks and caches need self.compute_dtype")
def mixed_precision_of_steps(case: ModelCase) -> None:
    """With the policy mixed_bfloat16, a step gives bfloat16 logits near those of the call."""
    single = case.make()
    with dtype_policy("mixed_bfloat16"):
        mixed = case.make()
    mixed.set_weights(single.get_weights())
    source, target = example_ids(single)
    cache = mixed.start(mixed.encode(source), target.shape[1])
    step, _, _ = mixed.step(target[:, :1], 0, cache, mixed.encode(source))
    expect(step.dtype == tf.bfloat16, f"logits are {step.dtype.name}")
    near, expected = case.mixed_tolerance, single([source, target])[:, 0]
    expect_close(step[:, 0], expected, "logits of a step and the call", atol=near, rtol=near)


@check("call: every weight must affect the logits, and nothing may stop gradients")
def one_training_step_changes_every_weight(case: ModelCase) -> None:
    """A step of model.fit changes every trainable weight."""
    model = case.make()
    source, target = example_ids(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss)
    old = [weight.numpy() for weight in model.trainable_weights]
    model.fit([source, target], np.roll(target, -1, axis=1), verbose=0)
    expect_changed(old, model.trainable_weights, 1e-7)


SEQ2SEQ_CHECKS: tuple[Check[ModelCase], ...] = (
    steps_agree_with_the_call,
    steps_without_reorder_agree_with_the_call,
    attention_of_steps_is_that_of_the_call,
    padding_changes_nothing,
    batch_changes_nothing,
    future_tokens_change_no_logit,
    empty_source_is_finite,
    steps_in_a_graph_with_dynamic_shapes,
    mixed_precision_of_steps,
    one_training_step_changes_every_weight,
    *EVERY_MODEL_CHECKS,
)

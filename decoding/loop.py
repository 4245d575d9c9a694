"""The decoding loop: run a step of the model and choose tokens, until all are finished.

A raw `tf.while_loop` over dense tensors of fixed shape, without TensorArray or ragged tensors,
so that the same code runs eagerly, in a SavedModel, in LiteRT with builtin operators only, and
under XLA.
"""

from typing import NamedTuple

import tensorflow as tf

from attention_zoo.backend import require_tensorflow_backend
from attention_zoo.text.vocabulary import END_ID, PAD_ID, START_ID
from attention_zoo.zoo.model import gather_hypotheses

require_tensorflow_backend()

IMPOSSIBLE = -1e9  # a logit or score that is never chosen


class Hypotheses(NamedTuple):
    """The N hypotheses of each sentence, during and after decoding.

    Attributes:
        ids: int32 `(B, N, L)`, without the start id, with the end id, padded with 0.
        scores: float32 `(B, N)`, defined by the decoder.
        lengths: int32 `(B, N)`, number of tokens including the end id.
        finished: bool `(B, N)`, whether the end id was reached.
        attention: float32 `(B, N, L, S)`, the attention weights of each token; or ().
    """

    ids: tf.Tensor
    scores: tf.Tensor
    lengths: tf.Tensor
    finished: tf.Tensor
    attention: tf.Tensor | tuple


class Choice(NamedTuple):
    """The result of choosing tokens in one step.

    Attributes:
        tokens: int32 `(B, N)`; padding for finished hypotheses.
        scores: float32 `(B, N)`, the new scores.
        parents: int32 `(B, N)`, the hypothesis that each one continues; None if itself.
    """

    tokens: tf.Tensor
    scores: tf.Tensor
    parents: tf.Tensor | None


def decode(model, source_ids, choose, max_length, num_hypotheses=1, return_attention=False):
    """Decodes with a model, step by step.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`.
        source_ids: int32 tensor `(B, S)`, 0 is padding.
        choose: a function `(logits_BNV, hypotheses, position) -> Choice`.
        max_length: largest number of steps L, an integer or a scalar tensor.
        num_hypotheses: hypotheses N per sentence, an integer or a scalar tensor.
        return_attention: also return the attention weights of each token.

    Returns:
        `Hypotheses`.
    """
    memory = model.encode(source_ids)
    batch_size = tf.shape(source_ids)[0]
    source_length = tf.shape(source_ids)[1]
    # Only the first hypothesis counts at the start; N equal ones would stay equal.
    scores_N = tf.where(tf.equal(tf.range(num_hypotheses), 0), 0.0, IMPOSSIBLE)
    pair = [batch_size, num_hypotheses]
    hypotheses = Hypotheses(
        ids=tf.fill([*pair, max_length], PAD_ID),
        scores=tf.broadcast_to(scores_N, pair),
        lengths=tf.zeros(pair, tf.int32),
        finished=tf.zeros(pair, tf.bool),
        attention=tf.zeros([*pair, max_length, source_length]) if return_attention else (),
    )
    cache = model.start(memory, max_length, num_hypotheses)
    state = (tf.constant(0), tf.fill(pair, START_ID), hypotheses, cache)

    def running(position, _tokens, hypotheses, _cache):
        return (position < max_length) & ~tf.reduce_all(hypotheses.finished)

    def advance(position, tokens, hypotheses, cache):
        logits_BNV, cache, attention_BNS = model.step(tokens, position, cache, memory)
        choice = choose(logits_BNV, hypotheses, position)
        hypotheses = _extend(hypotheses, position, choice, attention_BNS)
        if choice.parents is not None:
            cache = model.reorder(cache, choice.parents)
        after = (position + 1, choice.tokens, hypotheses, cache)
        # Reshapes in models have -1 for the batch, so a known batch size is lost; restore it.
        for tensor, before in zip(tf.nest.flatten(after), tf.nest.flatten(state), strict=True):
            tensor.set_shape(before.shape)
        return after

    shapes = tf.nest.map_structure(lambda tensor: tensor.shape, state)
    return tf.while_loop(running, advance, state, shape_invariants=shapes)[2]


def _extend(hypotheses, position, choice, attention_BNS):
    if choice.parents is not None:
        hypotheses = tf.nest.map_structure(
            lambda field: gather_hypotheses(field, choice.parents), hypotheses
        )
    here_L = tf.equal(tf.range(tf.shape(hypotheses.ids)[2]), position)
    attention = hypotheses.attention
    if tf.is_tensor(attention):
        if choice.parents is not None:
            attention_BNS = gather_hypotheses(attention_BNS, choice.parents)
        attention_BNS = tf.cast(attention_BNS, tf.float32)
        written = here_L[:, tf.newaxis] & ~hypotheses.finished[:, :, tf.newaxis, tf.newaxis]
        attention = tf.where(written, tf.expand_dims(attention_BNS, 2), attention)
    return Hypotheses(
        ids=tf.where(here_L, tf.expand_dims(choice.tokens, 2), hypotheses.ids),
        scores=choice.scores,
        lengths=hypotheses.lengths + tf.cast(~hypotheses.finished, tf.int32),
        finished=hypotheses.finished | tf.equal(choice.tokens, END_ID),
        attention=attention,
    )


def log_probability(logits_BNV, chosen_logits):
    """The log-probabilities of chosen tokens, without a softmax over the vocabulary.

    Args:
        logits_BNV: float tensor.
        chosen_logits: float tensor `(B, N)` or `(B, N, k)`, the logits of the chosen tokens.

    Returns:
        float32 tensor of the shape of `chosen_logits`.
    """
    normaliser = tf.reduce_logsumexp(tf.cast(logits_BNV, tf.float32), axis=2)
    if chosen_logits.shape.rank == 3:
        normaliser = tf.expand_dims(normaliser, 2)
    return tf.cast(chosen_logits, tf.float32) - normaliser

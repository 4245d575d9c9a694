"""Beam search with sequences that must occur in the answer.

As in Post and Vilar (2018, "Fast Lexically Constrained Decoding with Dynamic Beam Allocation",
arXiv 1804.06609), hypotheses are kept apart by how many of the forced tokens they contain, and the
places of the beam are dealt out in turns: first the best of those with the most, then the best of
those with fewer, and so on, then the second best of each. In every step each hypothesis may also go
on with the next token of each sequence that it lacks. It can end only when it has all.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from attention_zoo.decoding.loop import IMPOSSIBLE
from attention_zoo.text.vocabulary import END_ID

Sequences = Sequence[Sequence[int]]


def progress(ids_BNL: tf.Tensor, position: tf.Tensor, forced: Sequences) -> tuple[tf.Tensor, ...]:
    """How much of each forced sequence the hypotheses contain.

    Args:
        ids_BNL: int32 tensor, the tokens before `position`, then padding.
        position: int32 scalar.
        forced: F sequences of ids.

    Returns:
        `met` int32 `(B, N)`: the number of tokens of sequences that are contained, and of the one
        that the last tokens have begun; and `next` int32 `(B, N, F)`: the token that continues or
        begins each sequence, `-1` if it is contained.

    Example:
        >>> met, following = progress(tf.constant([[[7, 4, 5, 0]]]), 3, [[7], [5, 6]])
        >>> met.numpy().tolist(), following.numpy().tolist()
        ([[2]], [[[-1, 6]]])
    """
    length = tf.shape(ids_BNL)[2]
    places_L = tf.range(length)
    met_BN, begun, following = tf.zeros_like(ids_BNL[:, :, 0]), [], []
    for sequence in forced:
        size = len(sequence)
        starts_BNL = places_L + size <= position
        for offset, token in enumerate(sequence):
            ids = tf.gather(ids_BNL, tf.minimum(places_L + offset, length - 1), axis=2)
            starts_BNL &= tf.equal(ids, token)
        is_contained_BN = tf.reduce_any(starts_BNL, axis=2)
        begun_BN = tf.zeros_like(met_BN)
        for count in range(1, size):
            places = position - count + tf.range(count)
            last = tf.gather(ids_BNL, tf.maximum(places, 0), axis=2)
            is_begun = tf.reduce_all(tf.equal(last, sequence[:count]), axis=2)
            begun_BN = tf.where(is_begun & (position >= count), count, begun_BN)
        begun_BN = tf.where(is_contained_BN, 0, begun_BN)
        begun.append(begun_BN)
        met_BN += tf.where(is_contained_BN, size, 0)
        following.append(tf.where(is_contained_BN, -1, tf.gather(list(sequence), begun_BN)))
    return met_BN + tf.reduce_max(begun, axis=0), tf.stack(following, axis=2)


def with_forced(
    logits_BNV: tf.Tensor,
    best: tuple[tf.Tensor, tf.Tensor],
    next_BNF: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Adds the forced tokens to the best tokens of each hypothesis.

    Args:
        logits_BNV: float tensor, in which impossible tokens are lowered.
        best: logits, float32, and tokens, both `(B, N, K)`.
        next_BNF: see `progress`.

    Returns:
        Logits and tokens, both `(B, N, K + F)`; the logit of a token that is there already is
        `IMPOSSIBLE`.
    """
    tokens_BNF = tf.maximum(next_BNF, 0)
    found_BNF = tf.gather(tf.cast(logits_BNV, tf.float32), tokens_BNF, batch_dims=2)
    logits_BNK, tokens_BNK = best
    is_there = tf.reduce_any(tf.equal(next_BNF[..., tf.newaxis], tokens_BNK[:, :, tf.newaxis]), 3)
    # Two sequences may go on with the same token.
    earlier_FF = np.tril(np.ones([next_BNF.shape[2]] * 2, bool), -1)
    same_BNFF = tf.equal(next_BNF[..., tf.newaxis], next_BNF[:, :, tf.newaxis])
    is_there |= tf.reduce_any(same_BNFF & earlier_FF, axis=3) | (next_BNF < 0)
    found_BNF = tf.where(is_there, IMPOSSIBLE, found_BNF)
    return tf.concat([logits_BNK, found_BNF], 2), tf.concat([tokens_BNK, tokens_BNF], 2)


def without_early_end(logits_BNV: tf.Tensor, met_BN: tf.Tensor, forced: Sequences) -> tf.Tensor:
    """Lowers the end's logit of hypotheses that lack a forced token, see `progress`."""
    lacks_BN1 = tf.expand_dims(met_BN < sum(map(len, forced)), 2)
    is_end_V = np.arange(logits_BNV.shape[2]) == END_ID
    return tf.where(lacks_BN1 & is_end_V, IMPOSSIBLE, tf.cast(logits_BNV, tf.float32))


def deal_out(ranks_BQ: tf.Tensor, met_BQ: tf.Tensor, size: int | tf.Tensor) -> tf.Tensor:
    """Chooses candidates in turns from those that contain the same number of forced tokens.

    Args:
        ranks_BQ: float tensor, higher is better.
        met_BQ: int32 tensor, the number of forced tokens in each candidate.
        size: number of candidates N to choose.

    Returns:
        int32 tensor `(B, N)`, indices of candidates.

    Example:
        >>> deal_out(tf.constant([[3.0, 2.0, 1.0, 0.0]]), tf.constant([[0, 0, 0, 1]]), 3).numpy()
        array([[3, 0, 1]], dtype=int32)
    """
    count = tf.shape(ranks_BQ)[1]
    ranks_BQ, order_BQ = tf.math.top_k(ranks_BQ, count)
    met_BQ = tf.gather(met_BQ, order_BQ, batch_dims=1)
    is_possible_BQ = ranks_BQ > IMPOSSIBLE / 1000  # they may be divided by a length
    is_better_QQ = tf.range(count) < tf.range(count)[:, tf.newaxis]
    same_BQQ = tf.equal(met_BQ[:, tf.newaxis], met_BQ[..., tf.newaxis]) & is_better_QQ
    turn_BQ = tf.reduce_sum(tf.cast(same_BQQ, tf.int32), axis=2)
    most = tf.reduce_max(met_BQ) + 1
    key_BQ = tf.where(is_possible_BQ, turn_BQ * most + most - met_BQ, (count + 1) * most)
    _, chosen_BN = tf.math.top_k(-key_BQ, size)
    return tf.gather(order_BQ, chosen_BN, batch_dims=1)

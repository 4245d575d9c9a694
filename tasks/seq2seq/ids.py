"""Rows of ids: padding, and the inputs of the decoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.text.vocabulary import END_ID, PAD_ID, START_ID


def pad_rows(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks id sequences of different lengths, padded with 0.

    Example:
        >>> pad_rows([[4, 3], [3]]).tolist()
        [[4, 3], [3, 0]]
    """
    padded = np.full((len(rows), max(map(len, rows))), PAD_ID, dtype="int32")
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded


def shift_right(target_ids: Any, segments: Any = None) -> tf.Tensor:
    """The decoder's inputs: the target after the start id, without its last id.

    Args:
        target_ids: int32 tensor `(B, T)`.
        segments: int32 tensor `(B, T)`: which ids form a target, if a row holds several.

    Example:
        >>> segments = np.array([[1, 1, 2, 2, 0]], "int32")
        >>> shift_right(np.array([[7, 3, 8, 3, 0]], "int32"), segments).numpy().tolist()
        [[2, 7, 2, 8, 2]]
    """
    start = tf.fill([tf.shape(target_ids)[0], 1], START_ID)
    shifted = tf.concat([start, target_ids[:, :-1]], axis=1)
    if segments is None:
        return shifted
    before = tf.concat([tf.zeros_like(start), segments[:, :-1]], axis=1)
    return tf.where(tf.equal(segments, before), shifted, START_ID)


def until_end(ids: Any) -> Any:
    """The ids up to the first end id, or all but the padding if there is none.

    Args:
        ids: int array `(L,)`.

    Example:
        >>> until_end(np.array([5, 3, 0])).tolist(), until_end(np.array([5, 6])).tolist()
        ([5, 3], [5, 6])
    """
    ends = np.flatnonzero(ids == END_ID)
    return ids[: ends[0] + 1] if len(ends) else ids[ids != PAD_ID]


def replace_ids(inputs: Any, predicted: Any, probability: Any, seed: Any) -> tf.Tensor:
    """Replaces a random selection of ids with predicted ones, but no padding."""
    drawn = tf.random.stateless_uniform(tf.shape(inputs), seed) < probability
    return tf.where(drawn & tf.not_equal(inputs, PAD_ID), predicted, inputs)

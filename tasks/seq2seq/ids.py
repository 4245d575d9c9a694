"""Rows of ids: padding, and what the decoder sees of a target."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.text.vocabulary import PAD_ID, START_ID


def pad_rows(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks id sequences of different length, padded with 0.

    Example:
        >>> pad_rows([[4, 3], [3]]).tolist()
        [[4, 3], [3, 0]]
    """
    padded = np.full((len(rows), max(map(len, rows))), PAD_ID, dtype="int32")
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded


def shift_right(target_ids: Any) -> tf.Tensor:
    """What the decoder sees: the target with the start id in front, without its last id."""
    start = tf.fill([tf.shape(target_ids)[0], 1], START_ID)
    return tf.concat([start, target_ids[:, :-1]], axis=1)

"""Rows of ids of different lengths as dense tensors, in the graph."""

from typing import Any

import tensorflow as tf

from attention_zoo.text.vocabulary import PAD_ID


def to_dense(ragged: Any, fill: int | str) -> tf.Tensor:
    """Pads ragged rows `(B, None)` to `(B, T)`; T is at least 1.

    TensorFlow alone makes T 0 if there are no rows, and models read the first position.

    Args:
        ragged: the rows.
        fill: the value of padding.

    Example:
        >>> to_dense(tf.ragged.constant([[1, 2], [3]]), 0).numpy().tolist()
        [[1, 2], [3, 0]]
        >>> to_dense(tf.ragged.constant([], ragged_rank=1, dtype=tf.int32), 0).shape
        TensorShape([0, 1])
    """
    return _widen(ragged.to_tensor(fill), fill)


def cut_rows(ids: tf.Tensor, length: int, end_id: int | None = None) -> tf.Tensor:
    """Truncates rows of ids as tokenizers truncate strings: what remains ends with the end id.

    Args:
        ids: int32 tensor `(B, T)`, padded with 0.
        length: the largest length.
        end_id: replaces the last id of truncated rows; None leaves it as it is.

    Returns:
        int32 tensor `(B, T')`, T' from 1 to `length`.

    Example:
        >>> cut_rows(tf.constant([[5, 6, 7, 3], [5, 3, 0, 0]]), 3, end_id=3).numpy().tolist()
        [[5, 6, 3], [5, 3, 0]]
    """
    width = ids.shape[1]
    if width is not None and 1 <= width <= length:
        return ids
    kept = _widen(ids[:, :length], PAD_ID)
    if end_id is None:
        return kept
    is_last = tf.equal(tf.range(tf.shape(kept)[1]), length - 1)
    is_longer = tf.shape(ids)[1] > length
    return tf.where(is_last & is_longer & tf.not_equal(kept, PAD_ID), end_id, kept)


def ragged_rows(values: tf.Tensor, row_splits: tf.Tensor) -> tf.RaggedTensor:
    """Ragged rows of values, split at `row_splits`, which are not validated.

    Example:
        >>> ragged_rows(tf.constant([5, 6, 7]), tf.constant([0, 2, 3])).to_list()
        [[5, 6], [7]]
    """
    # The stub of TensorFlow that pyright brings has no class methods of ragged tensors.
    make = tf.RaggedTensor.from_row_splits  # pyright: ignore[reportAttributeAccessIssue]
    return make(values, row_splits, validate=False)


def _widen(rows: tf.Tensor, fill: Any) -> tf.Tensor:
    """Pads rows `(B, T)` to T = 1 if T is 0."""
    missing = tf.maximum(1 - tf.shape(rows)[1], 0)
    filler = tf.fill([tf.shape(rows)[0], missing], tf.constant(fill, rows.dtype))
    return tf.concat([rows, filler], axis=1)

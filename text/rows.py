"""Rows of ids of different length as dense tensors, in-graph."""

import tensorflow as tf

from attention_zoo.text.vocabulary import PAD_ID


def to_dense(ragged, empty):
    """Rows of different length, `(B, None)`, filled up to `(B, T)`; T is at least 1.

    Without any row TensorFlow would make it 0, and models look at the first position.

    Example:
        >>> to_dense(tf.ragged.constant([[1, 2], [3]]), 0).numpy().tolist()
        [[1, 2], [3, 0]]
        >>> to_dense(tf.ragged.constant([], ragged_rank=1, dtype=tf.int32), 0).shape
        TensorShape([0, 1])
    """
    return _widen(ragged.to_tensor(empty), empty)


def cut_rows(ids, length, end_id=None):
    """Ids of at most a length, cut as tokenizers cut strings: what is left ends in the end id.

    Args:
        ids: int32 tensor `(B, T)`, padded with 0.
        length: the greatest length, an integer.
        end_id: what the last id of a row becomes that had more of them; it stays when omitted.

    Returns:
        int32 tensor `(B, T')`, T' from 1 to `length`.

    Example:
        >>> cut_rows(tf.constant([[5, 6, 7, 3], [5, 3, 0, 0]]), 3, end_id=3).numpy().tolist()
        [[5, 6, 3], [5, 3, 0]]
    """
    if ids.shape[1] is not None and 1 <= ids.shape[1] <= length:
        return ids
    kept = _widen(ids[:, :length], PAD_ID)
    if end_id is None:
        return kept
    is_last = tf.equal(tf.range(tf.shape(kept)[1]), length - 1)
    is_longer = tf.shape(ids)[1] > length
    return tf.where(is_last & is_longer & tf.not_equal(kept, PAD_ID), end_id, kept)


def _widen(rows, empty):
    """Rows `(B, T)` with T at least 1."""
    missing = tf.maximum(1 - tf.shape(rows)[1], 0)
    filler = tf.fill([tf.shape(rows)[0], missing], tf.constant(empty, rows.dtype))
    return tf.concat([rows, filler], axis=1)

"""The arithmetic of byte-level byte-pair encoding: flat arrays of characters and bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.text.characters import SPACE, Characters

_NEVER = np.iinfo("int32").max  # rank of pairs that are not merged


def begins_word(text: Characters) -> tf.Tensor:
    r"""Whether a word begins at each character, `(C,)`.

    The words are the matches of GPT-2's pattern,
    `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: runs of
    characters of one class, of which the last space before other characters belongs to these; and
    English contractions, if the apostrophe is alone and has no space before it.

    Example:
        >>> from attention_zoo.text.characters import characters_of
        >>> characters = characters_of(tf.constant(["I'll  go!"]))
        >>> tf.where(begins_word(characters))[:, 0].numpy().tolist()
        [0, 1, 4, 5, 8]
    """
    before, after = _shifted(text.classes, 1, -1), _shifted(text.classes, -1, -1)
    is_run_start = text.is_first | tf.not_equal(text.classes, before)
    is_space = text.is_space
    follows_blank = tf.logical_not(text.is_first) & tf.equal(_shifted(text.codes, 1, -1), ord(" "))
    # The last white space of a run is a word of its own, or the beginning of the next one.
    is_last_of_run = is_space & tf.logical_not(text.is_last) & tf.not_equal(after, SPACE)
    begins = tf.where(
        is_space, is_run_start | is_last_of_run, is_run_start & tf.logical_not(follows_blank)
    )
    length = _contraction_lengths(text, begins)
    inside = tf.zeros_like(begins)
    for distance in (1, 2):
        inside |= _shifted(tf.cast(length >= distance, tf.int32), distance, 0) > 0
    follows = tf.zeros_like(begins)
    for letters in (1, 2):
        follows |= _shifted(tf.cast(tf.equal(length, letters), tf.int32), letters + 1, 0) > 0
    return (begins & tf.logical_not(inside)) | follows


def _contraction_lengths(text: Characters, begins: tf.Tensor) -> tf.Tensor:
    """For apostrophes that begin a contraction the number of its letters, else 0."""
    one, two = (_shifted(text.codes, -distance, -1) for distance in (1, 2))
    has_one = tf.logical_not(text.is_last)
    has_two = has_one & tf.logical_not(_shifted_bool(text.is_last, -1))

    def among(codes: tf.Tensor, letters: str) -> tf.Tensor:
        return tf.reduce_any(tf.equal(codes[:, tf.newaxis], [ord(c) for c in letters]), axis=1)

    short = has_one & among(one, "stmd")
    pairs = [tf.equal(one, ord(a)) & tf.equal(two, ord(b)) for a, b in ("re", "ve", "ll")]
    long = has_two & (pairs[0] | pairs[1] | pairs[2])
    length = tf.where(short, 1, tf.where(long, 2, 0))
    return tf.where(begins & tf.equal(text.codes, ord("'")), length, 0)


def _shifted(values: tf.Tensor, by: int, fill: int) -> tf.Tensor:
    """Element i is `values[i - by]`, or `fill` beyond the ends."""
    filler = tf.fill([abs(by)], tf.constant(fill, values.dtype))
    if by > 0:
        return tf.concat([filler, values], 0)[: tf.size(values)]
    return tf.concat([values, filler], 0)[-by:]


def _shifted_bool(values: tf.Tensor, by: int) -> tf.Tensor:
    return _shifted(tf.cast(values, tf.int32), by, 1) > 0


def byte_lengths(codes: tf.Tensor) -> tf.Tensor:
    """The number of bytes of each character in UTF-8, int32."""
    one = tf.ones_like(codes)
    return one + sum(tf.cast(codes >= first, tf.int32) for first in (0x80, 0x800, 0x10000))


class Merges:
    """Which pairs of ids are merged, in which order, and into what.

    Args:
        pairs: pairs of ids in the order in which they were learned.
        merged: the id of each.
        vocab_size: the number of ids.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], merged: Sequence[int], vocab_size: int):
        keys = np.array([left * vocab_size + right for left, right in pairs], "int64")
        order = np.argsort(keys, kind="stable")
        self._keys, self._ranks = keys[order], order.astype("int32")
        self._merged = np.array(merged, "int32")
        self._vocab_size = vocab_size

    def _rank(self, ids: tf.Tensor, word: tf.Tensor) -> tf.Tensor:
        """The rank of each element and the one after it, int32 `(N,)`."""
        following = _shifted(ids, -1, 0)
        key = tf.cast(ids, tf.int64) * self._vocab_size + tf.cast(following, tf.int64)
        keys = tf.constant(self._keys)
        index = tf.minimum(tf.searchsorted(keys, key), len(self._keys) - 1)
        is_pair = tf.equal(tf.gather(keys, index), key) & tf.equal(word, _shifted(word, -1, -1))
        return tf.where(is_pair, tf.gather(tf.constant(self._ranks), index), _NEVER)

    def apply(self, ids: tf.Tensor, word: tf.Tensor) -> tuple[Any, Any, Any]:
        """Merges until no pair is left; in each word the pair of lowest rank comes first.

        Args:
            ids: of single bytes, int32 `(N,)`.
            word: the index of the word of each, int32 `(N,)`, not decreasing.

        Returns:
            The ids of the pieces, their words, and the index of the first byte of each.
        """
        first = tf.range(tf.size(ids))
        if not len(self._keys):
            return ids, word, first
        count = tf.reduce_max(tf.concat([word, [-1]], 0)) + 1

        def body(ids, word, first, rank):
            lowest = tf.math.unsorted_segment_min(rank, word, count)
            chosen = tf.equal(rank, tf.gather(lowest, word)) & (rank < _NEVER)
            # Of pairs that overlap, as in "aaa", every second one.
            chosen &= tf.equal(tf.math.floormod(_index_in_run(chosen), 2), 0)
            merged = tf.gather(tf.constant(self._merged), tf.where(chosen, rank, 0))
            ids = tf.where(chosen, merged, ids)
            kept = tf.logical_not(_shifted(tf.cast(chosen, tf.int32), 1, 0) > 0)
            ids, word, first = (tf.boolean_mask(v, kept) for v in (ids, word, first))
            return ids, word, first, self._rank(ids, word)

        vector = tf.TensorShape([None])
        ids, word, first, _ = tf.while_loop(
            lambda ids, word, first, rank: tf.reduce_any(rank < _NEVER),
            body,
            (ids, word, first, self._rank(ids, word)),
            shape_invariants=(vector, vector, vector, vector),
        )
        return ids, word, first


def _index_in_run(chosen: tf.Tensor) -> tf.Tensor:
    """For each element that is true how many before it are, without a gap."""
    number = tf.cumsum(tf.cast(chosen, tf.int32))
    begins = chosen & tf.logical_not(_shifted(tf.cast(chosen, tf.int32), 1, 0) > 0)
    run = tf.cumsum(tf.cast(begins, tf.int32))
    first = tf.concat([[0], tf.boolean_mask(number, begins)], 0)
    return number - tf.gather(first, run)

"""What answers must and must not contain, for every strategy of decoding.

Constraints lower the logits of tokens that must not be chosen. The probability of these is not
given to others, so scores stay the model's own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from attention_zoo.decoding.loop import IMPOSSIBLE
from attention_zoo.text.vocabulary import END_ID, PAD_ID

# Where all tokens are impossible the end is chosen.
_LAST_RESORT = IMPOSSIBLE / 2
_ANY = -1  # in a forbidden sequence, any token or none
_NONE = -2  # the token before the first


class Constraints(NamedTuple):
    """What answers must and must not contain.

    Attributes:
        suppressed: ids of tokens that are never chosen.
        min_length: smallest number of tokens, including the end id.
        no_repeat_ngram: no sequence of this many tokens occurs twice in an answer (Paulus et al.
            2018, section 2.5); 0 allows repetition.
        forbidden: sequences of ids that never occur in an answer.
        prefix_ids: int32 tensor `(B, P)`, padded with 0: the ids with which the answers begin,
            whatever the other constraints are; or None.
    """

    suppressed: Sequence[int] = ()
    min_length: int = 0
    no_repeat_ngram: int = 0
    forbidden: Sequence[Sequence[int]] = ()
    prefix_ids: Any = None


def constrain(
    logits_BNV: tf.Tensor, ids_BNL: tf.Tensor, position: tf.Tensor, constraints: Constraints
) -> tf.Tensor:
    """Lowers the logits of tokens that must not be chosen.

    Args:
        logits_BNV: float tensor.
        ids_BNL: int32 tensor, the tokens before `position`, then padding.
        position: int32 scalar.
        constraints: what must be kept.

    Returns:
        Tensor of the same shape; the logits themselves if nothing is constrained.

    Example:
        >>> ids = tf.constant([[[4, 5, 4, 0]]])
        >>> logits = constrain(tf.zeros((1, 1, 6)), ids, 3, Constraints(no_repeat_ngram=2))
        >>> (logits < -1e8).numpy().tolist()
        [[[False, False, False, False, False, True]]]
    """
    allowed_BNV, size, excluded = logits_BNV, logits_BNV.shape[2], []
    single = [ids[0] for ids in constraints.forbidden if len(ids) == 1]
    longer = [ids for ids in constraints.forbidden if len(ids) > 1]
    if constraints.suppressed or single:
        excluded.append(np.isin(np.arange(size), [*constraints.suppressed, *single]))
    if constraints.min_length:
        is_end = np.arange(size) == END_ID
        excluded.append(is_end & (position + 1 < constraints.min_length))
    if constraints.no_repeat_ngram:
        excluded.append(_repetitions(ids_BNL, position, constraints.no_repeat_ngram, size))
    if longer:
        excluded.append(_completions(ids_BNL, position, longer, size))
    if excluded:
        is_excluded = excluded[0]
        for each in excluded[1:]:
            is_excluded = is_excluded | each
        lowest_V = np.full(size, IMPOSSIBLE, "float32")
        if END_ID not in constraints.suppressed:
            lowest_V[END_ID] = _LAST_RESORT
        allowed_BNV = tf.where(is_excluded, lowest_V, tf.cast(logits_BNV, tf.float32))
    if constraints.prefix_ids is not None:
        prefix_BP = tf.pad(constraints.prefix_ids, [[0, 0], [0, 1]])
        last = tf.shape(prefix_BP)[1] - 1
        given_B11 = prefix_BP[:, tf.newaxis, tf.minimum(position, last), tf.newaxis]
        logits_BNV = tf.cast(logits_BNV, tf.float32)
        only_BNV = tf.where(tf.equal(given_B11, tf.range(size)), logits_BNV, IMPOSSIBLE)
        is_free_B11 = tf.equal(given_B11, PAD_ID)
        allowed_BNV = tf.where(is_free_B11, tf.cast(allowed_BNV, tf.float32), only_BNV)
    return allowed_BNV


def _repetitions(ids_BNL, position, ngram, size):
    """The tokens that would make the last `ngram` tokens a repetition, bool `(B, N, V)`."""
    places_L = tf.range(tf.shape(ids_BNL)[2])
    # A place holds such a token if the tokens before it are the last ones.
    is_repeated_BNL = tf.broadcast_to(
        (places_L >= ngram - 1) & (places_L < position), tf.shape(ids_BNL)
    )
    for back in range(1, ngram):
        before_BNL = tf.gather(ids_BNL, tf.maximum(places_L - back, 0), axis=2)
        last_BN = tf.gather(ids_BNL, tf.maximum(position - back, 0), axis=2)
        is_repeated_BNL &= tf.equal(before_BNL, tf.expand_dims(last_BN, 2))
    return _mark(ids_BNL, is_repeated_BNL, size)


def _completions(ids_BNL, position, sequences, size):
    """The tokens that would complete one of F sequences, bool `(B, N, V)`."""
    longest = max(map(len, sequences))
    starts_FK = np.full((len(sequences), longest - 1), _ANY, "int32")
    for row, ids in zip(starts_FK, sequences, strict=True):
        row[longest - len(ids) :] = ids[:-1]
    places_K = position - (longest - 1) + tf.range(longest - 1)
    last_BNK = tf.gather(ids_BNL, tf.maximum(places_K, 0), axis=2)
    last_BN1K = tf.expand_dims(tf.where(places_K >= 0, last_BNK, _NONE), 2)
    is_begun_BNF = tf.reduce_all((starts_FK == _ANY) | tf.equal(last_BN1K, starts_FK), axis=3)
    ends_F = np.array([ids[-1] for ids in sequences], "int32")
    return _mark(tf.broadcast_to(ends_F, tf.shape(is_begun_BNF)), is_begun_BNF, size)


def _mark(tokens_BNM, is_marked_BNM, size):
    """Which of `size` ids are among the marked tokens, bool `(B, N, V)`."""
    batch, count, number = tf.unstack(tf.shape(tokens_BNM))
    # Tokens without a mark go to an id of their own, so that writing in any order is right.
    columns = tf.reshape(tf.where(is_marked_BNM, tokens_BNM, size), [-1])
    rows = tf.repeat(tf.range(batch * count), number)
    marks = tf.scatter_nd(
        tf.stack([rows, columns], axis=1), tf.ones_like(columns), [batch * count, size + 1]
    )
    return tf.reshape(marks[:, :size] > 0, [batch, count, size])

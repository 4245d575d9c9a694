"""Greedy search: the most probable token, each time."""

import tensorflow as tf

from attention_zoo.decoding.loop import Choice, decode, log_probability
from attention_zoo.text.vocabulary import PAD_ID


def greedy_search(model, source_ids, max_length, return_attention=False):
    """Decodes with the most probable token at each step.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`.
        source_ids: int32 tensor `(B, S)`, 0 is padding.
        max_length: largest number of tokens L, the end included.
        return_attention: also return where each token looked.

    Returns:
        `Hypotheses` with N = 1; the scores are log-probabilities.
    """
    return decode(model, source_ids, _most_probable, max_length, 1, return_attention)


def _most_probable(logits_BNV, hypotheses, _position):
    tokens = tf.argmax(logits_BNV, axis=2, output_type=tf.int32)
    gained = log_probability(logits_BNV, tf.reduce_max(logits_BNV, axis=2))
    return Choice(
        tokens=tf.where(hypotheses.finished, PAD_ID, tokens),
        scores=hypotheses.scores + tf.where(hypotheses.finished, 0.0, gained),
        parents=None,
    )

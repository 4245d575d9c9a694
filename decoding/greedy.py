"""Greedy search: the most probable token at each step."""

import tensorflow as tf

from attention_zoo.decoding.constraints import Constraints, constrain
from attention_zoo.decoding.loop import Choice, decode, log_probability
from attention_zoo.text.vocabulary import PAD_ID


def greedy_search(model, source_ids, max_length, return_attention=False, **constraints):
    """Decodes with the most probable token at each step.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`.
        source_ids: int32 tensor `(B, S)`, 0 is padding.
        max_length: largest number of tokens L, including the end id.
        return_attention: also return the attention weights of each token.
        **constraints: the fields of `Constraints`, such as `min_length`.

    Returns:
        `Hypotheses` with N = 1; the scores are log-probabilities.

    Example:
        >>> from attention_zoo.zoo import RNNAttention
        >>> source_ids = np.array([[5, 6, 3]], "int32")
        >>> greedy_search(RNNAttention(9, width=4), source_ids, max_length=4).ids.shape
        TensorShape([1, 1, 4])
    """
    kept = Constraints(**constraints)

    def choose(logits_BNV, hypotheses, position):
        return _most_probable(logits_BNV, hypotheses, position, kept)

    return decode(model, source_ids, choose, max_length, 1, return_attention)


def _most_probable(logits_BNV, hypotheses, position, constraints):
    allowed_BNV = constrain(logits_BNV, hypotheses.ids, position, constraints)
    tokens = tf.argmax(allowed_BNV, axis=2, output_type=tf.int32)
    log_probs = log_probability(logits_BNV, tf.reduce_max(allowed_BNV, axis=2))
    return Choice(
        tokens=tf.where(hypotheses.finished, PAD_ID, tokens),
        scores=hypotheses.scores + tf.where(hypotheses.finished, 0.0, log_probs),
        parents=None,
    )

"""Beam search with length penalty."""

import tensorflow as tf

from attention_zoo.decoding.loop import Choice, decode, log_probability
from attention_zoo.text.vocabulary import PAD_ID
from attention_zoo.zoo.model import gather_hypotheses

_IMPOSSIBLE = -1e9


def length_penalty_divisor(lengths, length_penalty):
    """Wu et al. 2016 (arXiv 1609.08144), equation 14: `((5 + length) / 6) ^ alpha`.

    Args:
        lengths: integer tensor, number of tokens with the end id.
        length_penalty: alpha; 0 compares plain log-probabilities.

    Example:
        >>> length_penalty_divisor(tf.constant([1, 7]), 1.0).numpy().tolist()
        [1.0, 2.0]
    """
    return tf.pow((5.0 + tf.cast(lengths, tf.float32)) / 6.0, length_penalty)


def beam_search(
    model, source_ids, max_length, beam_size=4, length_penalty=0.6, return_attention=False
):
    """Decodes keeping the best `beam_size` hypotheses at each step.

    A finished hypothesis keeps its place in the beam as long as it is among the
    best, and the search ends when all in the beam are finished.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`.
        source_ids: int32 tensor `(B, S)`, 0 is padding.
        max_length: largest number of tokens L, the end included.
        beam_size: number of hypotheses N; at most the size of the vocabulary.
        length_penalty: alpha of Wu et al. 2016; larger prefers longer answers.
        return_attention: also return where each token looked.

    Returns:
        `Hypotheses`, the best first; scores are log-probabilities over
        `length_penalty_divisor(lengths)`.
    """

    def choose(logits_BNV, hypotheses, position):
        return _best_continuations(logits_BNV, hypotheses, position, beam_size, length_penalty)

    best = decode(model, source_ids, choose, max_length, beam_size, return_attention)
    divisor = length_penalty_divisor(best.lengths, length_penalty)
    return best._replace(scores=best.scores / divisor)


def _best_continuations(logits_BNV, hypotheses, position, beam_size, length_penalty):
    # No hypothesis can have more than N continuations in the new beam, so the joint
    # choice is among N x N candidates, not N x V.
    logits_BNN, tokens_BNN = tf.math.top_k(logits_BNV, beam_size)
    gained_BNN = log_probability(logits_BNV, logits_BNN)
    finished_BN1 = tf.expand_dims(hypotheses.finished, 2)
    is_first_N = tf.equal(tf.range(beam_size), 0)
    # The one continuation of a finished hypothesis is itself.
    gained_BNN = tf.where(finished_BN1, tf.where(is_first_N, 0.0, _IMPOSSIBLE), gained_BNN)
    tokens_BNN = tf.where(finished_BN1, PAD_ID, tokens_BNN)
    totals_BNN = tf.expand_dims(hypotheses.scores, 2) + gained_BNN
    lengths_BN = tf.where(hypotheses.finished, hypotheses.lengths, position + 1)
    divisor_BN1 = tf.expand_dims(length_penalty_divisor(lengths_BN, length_penalty), 2)

    candidates = [-1, beam_size * beam_size]
    _, best_BN = tf.math.top_k(tf.reshape(totals_BNN / divisor_BN1, candidates), beam_size)
    return Choice(
        tokens=gather_hypotheses(tf.reshape(tokens_BNN, candidates), best_BN),
        scores=gather_hypotheses(tf.reshape(totals_BNN, candidates), best_BN),
        parents=best_BN // beam_size,
    )

"""Beam search with length penalty."""

import tensorflow as tf

from attention_zoo.decoding.loop import Choice, decode, log_probability
from attention_zoo.text.vocabulary import PAD_ID
from attention_zoo.zoo.model import gather_hypotheses

_IMPOSSIBLE = -1e9


def length_penalty_divisor(lengths, length_penalty):
    """Wu et al. 2016 (arXiv 1609.08144), equation 14: `((5 + length) / 6) ^ alpha`.

    Args:
        lengths: integer tensor, number of tokens including the end id.
        length_penalty: alpha; 0 makes the divisor 1.

    Returns:
        float32 tensor of the same shape.

    Example:
        >>> length_penalty_divisor(tf.constant([1, 7]), 1.0).numpy().tolist()
        [1.0, 2.0]
    """
    return tf.pow((5.0 + tf.cast(lengths, tf.float32)) / 6.0, length_penalty)


def beam_search(
    model, source_ids, max_length, *, beam_size=4, length_penalty=0.6, return_attention=False
):
    """Decodes by keeping the best `beam_size` hypotheses at each step.

    Finished hypotheses stay in the beam as long as they are among the best; the search ends
    when all hypotheses in the beam are finished.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`.
        source_ids: int32 tensor `(B, S)`, 0 is padding.
        max_length: largest number of tokens L, including the end id.
        beam_size: number of hypotheses N; at most the size of the vocabulary.
        length_penalty: alpha of Wu et al. 2016; larger values prefer longer answers.
        return_attention: also return the attention weights of each token.

    Returns:
        `Hypotheses`, best first; the scores are log-probabilities divided by
        `length_penalty_divisor(lengths)`.

    Example:
        >>> from attention_zoo.zoo import RNNAttention
        >>> source_ids = np.array([[5, 6, 3]], "int32")
        >>> beam_search(RNNAttention(9, width=4), source_ids, 4, beam_size=2).ids.shape
        TensorShape([1, 2, 4])
    """

    def choose(logits_BNV, hypotheses, position):
        return _best_continuations(logits_BNV, hypotheses, position, beam_size, length_penalty)

    best = decode(model, source_ids, choose, max_length, beam_size, return_attention)
    divisor = length_penalty_divisor(best.lengths, length_penalty)
    return best._replace(scores=best.scores / divisor)


def _best_continuations(logits_BNV, hypotheses, position, beam_size, length_penalty):
    # A hypothesis has at most N continuations in the new beam, so there are N x N candidates,
    # not N x V.
    logits_BNN, tokens_BNN = tf.math.top_k(logits_BNV, beam_size)
    log_probs_BNN = log_probability(logits_BNV, logits_BNN)
    finished_BN1 = tf.expand_dims(hypotheses.finished, 2)
    is_first_N = tf.equal(tf.range(beam_size), 0)
    # A finished hypothesis has one continuation, itself.
    log_probs_BNN = tf.where(finished_BN1, tf.where(is_first_N, 0.0, _IMPOSSIBLE), log_probs_BNN)
    tokens_BNN = tf.where(finished_BN1, PAD_ID, tokens_BNN)
    totals_BNN = tf.expand_dims(hypotheses.scores, 2) + log_probs_BNN
    lengths_BN = tf.where(hypotheses.finished, hypotheses.lengths, position + 1)
    divisor_BN1 = tf.expand_dims(length_penalty_divisor(lengths_BN, length_penalty), 2)

    candidates = [-1, beam_size * beam_size]
    _, best_BN = tf.math.top_k(tf.reshape(totals_BNN / divisor_BN1, candidates), beam_size)
    return Choice(
        tokens=gather_hypotheses(tf.reshape(tokens_BNN, candidates), best_BN),
        scores=gather_hypotheses(tf.reshape(totals_BNN, candidates), best_BN),
        parents=best_BN // beam_size,
    )

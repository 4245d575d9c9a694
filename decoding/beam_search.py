"""Beam search with length penalty."""

from typing import Any, NamedTuple

import tensorflow as tf

from attention_zoo.decoding.loop import IMPOSSIBLE, Choice, decode, exclude, log_probability
from attention_zoo.text.vocabulary import PAD_ID
from attention_zoo.zoo.model import gather_hypotheses


class BeamOptions(NamedTuple):
    """How hypotheses are compared, see `beam_search`."""

    length_penalty: Any
    style: str = "gnmt"
    suppressed: tuple[int, ...] = ()


def length_penalty_divisor(lengths, length_penalty, style="gnmt"):
    """Wu et al. 2016 (arXiv 1609.08144), equation 14: `((5 + length) / 6) ^ alpha`.

    Args:
        lengths: integer tensor, number of tokens including the end id.
        length_penalty: alpha; 0 makes the divisor 1.
        style: `"gnmt"`, or `"marian"` for `length ^ alpha`.

    Returns:
        float32 tensor of the same shape.

    Example:
        >>> length_penalty_divisor(tf.constant([1, 7]), 1.0).numpy().tolist()
        [1.0, 2.0]
    """
    lengths = tf.cast(lengths, tf.float32)
    return tf.pow(lengths if style == "marian" else (5.0 + lengths) / 6.0, length_penalty)


def beam_search(
    model,
    source_ids,
    max_length,
    *,
    beam_size=4,
    length_penalty=0.6,
    style="gnmt",
    suppressed=(),
    return_attention=False,
):
    """Decodes by keeping the best `beam_size` hypotheses at each step.

    The search ends when all hypotheses in the beam are finished. What it does with those that
    finish earlier depends on the style:

    - `"gnmt"` (Wu et al. 2016): they stay in the beam as long as they are among the best, compared
      by their scores divided by a function of their lengths.
    - `"marian"` (Junczys-Dowmunt et al. 2018): they are kept, and the beam of the others is smaller
      by one for each. Lengths count only in the end.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`.
        source_ids: int32 tensor `(B, S)`, 0 is padding.
        max_length: largest number of tokens L, including the end id.
        beam_size: number of hypotheses N; at most the size of the vocabulary.
        length_penalty: alpha of `length_penalty_divisor`; larger values prefer longer answers.
        style: `"gnmt"` or `"marian"`.
        suppressed: ids of tokens that are never chosen.
        return_attention: also return the attention weights of each token.

    Returns:
        `Hypotheses`, best first; the scores are log-probabilities divided by
        `length_penalty_divisor`.

    Example:
        >>> from attention_zoo.zoo import RNNAttention
        >>> source_ids = np.array([[5, 6, 3]], "int32")
        >>> beam_search(RNNAttention(9, width=4), source_ids, 4, beam_size=2).ids.shape
        TensorShape([1, 2, 4])
    """
    options = BeamOptions(length_penalty, style, tuple(suppressed))

    def choose(logits_BNV, hypotheses, position):
        return _best_continuations(logits_BNV, hypotheses, position, beam_size, options)

    best = decode(model, source_ids, choose, max_length, beam_size, return_attention)
    best = best._replace(
        scores=best.scores / length_penalty_divisor(best.lengths, length_penalty, style)
    )
    if style == "gnmt":
        return best
    _, order_BN = tf.math.top_k(best.scores, beam_size)
    return tf.nest.map_structure(lambda field: gather_hypotheses(field, order_BN), best)


def _best_continuations(logits_BNV, hypotheses, position, beam_size, options):
    # A hypothesis has at most N continuations in the new beam, so there are N x N candidates,
    # not N x V.
    logits_BNN, tokens_BNN = tf.math.top_k(exclude(logits_BNV, options.suppressed), beam_size)
    log_probs_BNN = log_probability(logits_BNV, logits_BNN)
    finished_BN1 = tf.expand_dims(hypotheses.finished, 2)
    is_first_N = tf.equal(tf.range(beam_size), 0)
    # A finished hypothesis has one continuation, itself.
    log_probs_BNN = tf.where(finished_BN1, tf.where(is_first_N, 0.0, IMPOSSIBLE), log_probs_BNN)
    tokens_BNN = tf.where(finished_BN1, PAD_ID, tokens_BNN)
    totals_BNN = tf.expand_dims(hypotheses.scores, 2) + log_probs_BNN
    if options.style == "marian":
        # All finished hypotheses, then the best of the others.
        is_kept_BNN = finished_BN1 & is_first_N
        ranks_BNN = tf.where(is_kept_BNN, -IMPOSSIBLE, totals_BNN)
    else:
        lengths_BN = tf.where(hypotheses.finished, hypotheses.lengths, position + 1)
        divisor_BN = length_penalty_divisor(lengths_BN, options.length_penalty)
        ranks_BNN = totals_BNN / tf.expand_dims(divisor_BN, 2)

    candidates = [-1, beam_size * beam_size]
    _, best_BN = tf.math.top_k(tf.reshape(ranks_BNN, candidates), beam_size)
    return Choice(
        tokens=gather_hypotheses(tf.reshape(tokens_BNN, candidates), best_BN),
        scores=gather_hypotheses(tf.reshape(totals_BNN, candidates), best_BN),
        parents=best_BN // beam_size,
    )

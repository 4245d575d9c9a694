"""Beam search with length and coverage penalty, and with tokens that answers must contain."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from attention_zoo.decoding.constraints import Constraints, constrain
from attention_zoo.decoding.forced import deal_out, progress, with_forced, without_early_end
from attention_zoo.decoding.loop import IMPOSSIBLE, Choice, decode, log_probability
from attention_zoo.text.vocabulary import PAD_ID
from attention_zoo.zoo.model import gather_hypotheses

_LEAST_ATTENTION = 1e-6  # so that a token without attention has a finite penalty


class BeamOptions(NamedTuple):
    """How hypotheses are continued and compared, see `beam_search`."""

    length_penalty: Any
    style: str = "gnmt"
    forced: Sequence[Sequence[int]] = ()
    diversity: float = 0.0
    constraints: Constraints = Constraints()


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
    length_penalty: Any = 0.6,
    style="gnmt",
    coverage_penalty=0.0,
    forced=(),
    diversity=0.0,
    return_attention=False,
    **constraints,
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
        coverage_penalty: beta of `coverage`; larger values prefer answers that attended to all of
            the source. It counts when the hypotheses that the search ended with are compared; so
            with a beam of 1 it does not.
        forced: sequences of ids that must occur in an answer, if `max_length` has room for them;
            see `attention_zoo.decoding.forced`.
        diversity: gamma of Li et al. 2016 (arXiv 1611.08562), section 3: while searching, the k-th
            best continuation of a hypothesis counts k times this less (k from 0). So hypotheses
            with different parents stay, and the N answers differ more. Scores do not contain it.
        return_attention: also return the attention weights of each token.
        **constraints: the fields of `Constraints`, such as `min_length`.

    Returns:
        `Hypotheses`, best first; those that lack a forced sequence are last. The scores are
        log-probabilities divided by `length_penalty_divisor`, plus the coverage penalty.

    Example:
        >>> from attention_zoo.zoo import RNNAttention
        >>> source_ids = np.array([[5, 6, 3]], "int32")
        >>> beam_search(RNNAttention(9, width=4), source_ids, 4, beam_size=2).ids.shape
        TensorShape([1, 2, 4])
    """
    options = BeamOptions(length_penalty, style, forced, diversity, Constraints(**constraints))

    def choose(logits_BNV, hypotheses, position):
        return _best_continuations(logits_BNV, hypotheses, position, beam_size, options)

    with_attention = bool(return_attention or coverage_penalty)
    best = decode(model, source_ids, choose, max_length, beam_size, with_attention)
    scores_BN = best.scores / length_penalty_divisor(best.lengths, length_penalty, style)
    if coverage_penalty:
        weight = tf.where(tf.equal(beam_size, 1), 0.0, coverage_penalty)
        scores_BN += weight * coverage(best.attention, source_ids)
    best = best._replace(scores=scores_BN, attention=best.attention if return_attention else ())
    if style == "gnmt" and not coverage_penalty and not forced and not diversity:
        return best  # in order
    if forced:
        met_BN, _ = progress(best.ids, max_length, forced)
        scores_BN += tf.where(met_BN < sum(map(len, forced)), IMPOSSIBLE, 0.0)
    _, order_BN = tf.math.top_k(scores_BN, beam_size)
    return tf.nest.map_structure(lambda field: gather_hypotheses(field, order_BN), best)


def coverage(attention_BNLS, source_ids):
    """Wu et al. 2016, equation 14: the sum of `log(min(sum of attention, 1))` over source tokens.

    Args:
        attention_BNLS: float tensor, the attention weights of each token of the answers.
        source_ids: int32 tensor `(B, S)`, 0 is padding.

    Returns:
        float32 tensor `(B, N)`, 0 if every source token got a total of 1 or more.

    Example:
        >>> attention = tf.constant([[[[0.5, 0.5], [1.0, 0.0]]]])
        >>> coverage(attention, tf.constant([[5, 3]])).numpy()  # log 1 + log 0.5
        array([[-0.6931472]], dtype=float32)
    """
    total_BNS = tf.reduce_sum(attention_BNLS, axis=2)
    logs_BNS = tf.math.log(tf.clip_by_value(total_BNS, _LEAST_ATTENTION, 1.0))
    is_token_B1S = tf.expand_dims(tf.not_equal(source_ids, PAD_ID), 1)
    return tf.reduce_sum(tf.where(is_token_B1S, logs_BNS, 0.0), axis=2)


def _best_continuations(logits_BNV, hypotheses, position, beam_size, options):
    # A hypothesis has at most N continuations in the new beam, so K is N, and that of the forced
    # tokens is added; there are N x K candidates, not N x V.
    allowed_BNV = constrain(logits_BNV, hypotheses.ids, position, options.constraints)
    forced = options.forced
    if forced:
        met_BN, next_BNF = progress(hypotheses.ids, position, forced)
        allowed_BNV = without_early_end(allowed_BNV, met_BN, forced)
    logits_BNK, tokens_BNK = tf.math.top_k(allowed_BNV, beam_size)
    if forced:
        logits_BNK, tokens_BNK = with_forced(allowed_BNV, (logits_BNK, tokens_BNK), next_BNF)
    log_probs_BNK = log_probability(logits_BNV, logits_BNK)
    finished_BN1 = tf.expand_dims(hypotheses.finished, 2)
    count = beam_size + len(forced)
    is_first_K = tf.equal(tf.range(count), 0)
    # A finished hypothesis has one continuation, itself.
    log_probs_BNK = tf.where(finished_BN1, tf.where(is_first_K, 0.0, IMPOSSIBLE), log_probs_BNK)
    tokens_BNK = tf.where(finished_BN1, PAD_ID, tokens_BNK)
    totals_BNK = tf.expand_dims(hypotheses.scores, 2) + log_probs_BNK
    if options.style == "marian":
        # All finished hypotheses, then the best of the others. One that an impossible token has
        # finished, such as the end within a prefix, is none.
        is_possible_BN1 = tf.expand_dims(hypotheses.scores > 0.75 * IMPOSSIBLE, 2)
        is_kept_BNK = finished_BN1 & is_first_K & is_possible_BN1
        ranks_BNK = tf.where(is_kept_BNK, -IMPOSSIBLE, totals_BNK)
    else:
        lengths_BN = tf.where(hypotheses.finished, hypotheses.lengths, position + 1)
        divisor_BN = length_penalty_divisor(lengths_BN, options.length_penalty)
        ranks_BNK = totals_BNK / tf.expand_dims(divisor_BN, 2)
    if options.diversity:
        ranks_BNK -= options.diversity * tf.range(count, dtype=tf.float32)

    candidates = [-1, beam_size * count]
    ranks_BQ = tf.reshape(ranks_BNK, candidates)
    if forced:
        met_BQ = _met_after(hypotheses.ids, tokens_BNK, position, forced)
        best_BN = deal_out(ranks_BQ, met_BQ, beam_size)
    else:
        _, best_BN = tf.math.top_k(ranks_BQ, beam_size)
    return Choice(
        tokens=gather_hypotheses(tf.reshape(tokens_BNK, candidates), best_BN),
        scores=gather_hypotheses(tf.reshape(totals_BNK, candidates), best_BN),
        parents=best_BN // count,
    )


def _met_after(ids_BNL, tokens_BNK, position, forced):
    """How many forced tokens the hypotheses contain after each continuation, `(B, N K)`."""
    batch, beam_size, count = tf.unstack(tf.shape(tokens_BNK))
    length = tf.shape(ids_BNL)[2]
    here_L = tf.equal(tf.range(length), position)
    ids_BNKL = tf.where(here_L, tokens_BNK[..., tf.newaxis], ids_BNL[:, :, tf.newaxis])
    met, _ = progress(
        tf.reshape(ids_BNKL, [batch, beam_size * count, length]), position + 1, forced
    )
    return met

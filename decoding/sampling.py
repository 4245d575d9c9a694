"""Sampling with temperature, top-k and top-p."""

import tensorflow as tf

from attention_zoo.decoding.constraints import Constraints, constrain
from attention_zoo.decoding.loop import Choice, decode, log_probability
from attention_zoo.errors import UserError
from attention_zoo.text.vocabulary import PAD_ID

_EXCLUDED = -float("inf")
_MIN_TEMPERATURE = 1e-30  # smallest divisor of the logits


def sample(
    model,
    source_ids,
    max_length,
    seed,
    *,
    temperature=1.0,
    top_k=0,
    top_p=1.0,
    num_samples=1,
    return_attention=False,
    **constraints,
):
    """Samples answers from the model's distribution.

    Args:
        model: a sequence-to-sequence model, see `attention_zoo.zoo`.
        source_ids: int32 tensor `(B, S)`, 0 is padding.
        max_length: largest number of tokens L, including the end id.
        seed: integer; the same seed and the same batch give the same answers.
        temperature: divisor of the logits; 0 is greedy search.
        top_k: sample from the k most probable tokens; 0 means all.
        top_p: sample from the smallest set of most probable tokens whose probabilities sum
            to at least this (nucleus sampling, Holtzman et al. 2020); 1 means all.
        num_samples: answers N per sentence.
        return_attention: also return the attention weights of each token.
        **constraints: the fields of `Constraints`, such as `min_length`.

    Returns:
        `Hypotheses`; the scores are the model's log-probabilities, without temperature, top-k
        or top-p.

    Raises:
        UserError: if `temperature` or `top_k` is negative, or `top_p` is not from 0 to 1. For
            tensors in a graph it is a `tf.errors.InvalidArgumentError` when the graph runs.

    Example:
        >>> from attention_zoo.zoo import RNNAttention
        >>> source_ids = np.array([[5, 6, 3]], "int32")
        >>> sample(RNNAttention(9, width=4), source_ids, 4, seed=1, num_samples=3).ids.shape
        TensorShape([1, 3, 4])
    """
    kept = Constraints(**constraints)
    checks = check_sampling(temperature, top_k, top_p)
    with tf.control_dependencies(checks):
        temperature = tf.identity(tf.cast(temperature, tf.float32))

    def choose(logits_BNV, hypotheses, position):
        # The largest logit becomes 0, and so stays the largest at any temperature.
        allowed = constrain(logits_BNV, hypotheses.ids, position, kept)
        logits = tf.cast(allowed, tf.float32)
        logits -= tf.reduce_max(logits, axis=2, keepdims=True)
        inside = restrict(logits / tf.maximum(temperature, _MIN_TEMPERATURE), top_k, top_p)
        # The argmax of logits + Gumbel noise is a sample from the softmax.
        bits = tf.random.stateless_uniform(
            tf.shape(inside),
            tf.stack([tf.cast(seed, tf.int32), position]),
            minval=None,
            maxval=None,
            dtype=tf.uint32,
            alg="philox",
        )
        # From random bits, because XLA and TensorFlow convert them to floats differently; 23 of
        # them, so that every value is an exact float32, neither 0 nor 1.
        bits = tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32))
        uniform = (tf.cast(bits, tf.float32) + 0.5) / 2.0**23
        noise = tf.where(temperature > 0.0, -tf.math.log(-tf.math.log(uniform)), 0.0)
        tokens = tf.argmax(inside + noise, axis=2, output_type=tf.int32)
        chosen = tf.gather(logits_BNV, tokens, batch_dims=2)
        log_probs = log_probability(logits_BNV, chosen)
        # The loop starts with scores for beam search, where only the first hypothesis counts.
        scores = tf.where(position == 0, tf.zeros_like(hypotheses.scores), hypotheses.scores)
        return Choice(
            tokens=tf.where(hypotheses.finished, PAD_ID, tokens),
            scores=scores + tf.where(hypotheses.finished, 0.0, log_probs),
            parents=None,
        )

    return decode(model, source_ids, choose, max_length, num_samples, return_attention)


def check_sampling(temperature=1.0, top_k=0, top_p=1.0):
    """Checks the options of sampling.

    Args:
        temperature: a number or a scalar tensor, 0 or above.
        top_k: a number or a scalar tensor, 0 or above.
        top_p: a number or a scalar tensor, from 0 to 1.

    Returns:
        A list of operations that a graph must run, to check values not known until then.

    Raises:
        UserError: if a known value is out of range.
    """
    checks = []
    for name, value, accepted, is_right in (
        ("temperature", temperature, "0 (greedy) or above", temperature >= 0),
        ("top_k", top_k, "0 (all) or above", top_k >= 0),
        ("top_p", top_p, "from 0 to 1", (top_p >= 0) & (top_p <= 1)),
    ):
        message = f"{name} must be {accepted}, received"
        if tf.is_tensor(value) and not tf.executing_eagerly():
            checks.append(tf.debugging.Assert(is_right, [message, value]))
        elif not is_right:
            raise UserError(f"{message} {value if not tf.is_tensor(value) else value.numpy()}")
    return checks


def restrict(logits, top_k, top_p):
    """Excludes the tokens outside top-k and top-p by a logit of minus infinity.

    Args:
        logits: float32 tensor `(..., V)`.
        top_k: number of tokens to keep, an integer or a scalar tensor; 0 keeps all.
        top_p: probability to keep, 0 to 1; the most probable token is always kept.

    Returns:
        float32 tensor `(..., V)`.

    Example:
        >>> logits = tf.math.log([[0.5, 0.3, 0.2]])
        >>> (restrict(logits, top_k=0, top_p=0.6) > -1e8).numpy().tolist()
        [[True, True, False]]
        >>> (restrict(logits, top_k=1, top_p=1.0) > -1e8).numpy().tolist()
        [[True, False, False]]
    """
    sorted_logits = tf.sort(logits, axis=-1, direction="DESCENDING")
    rank = tf.range(tf.shape(logits)[-1])
    inside_k = (rank < top_k) | tf.equal(top_k, 0)
    probabilities = tf.nn.softmax(sorted_logits)
    # Keep tokens whose predecessors sum to less than top_p.
    inside_p = (tf.cumsum(probabilities, axis=-1, exclusive=True) < top_p) | (top_p >= 1.0)
    kept = (inside_k & inside_p) | tf.equal(rank, 0)
    lowest = tf.reduce_min(tf.where(kept, sorted_logits, logits.dtype.max), axis=-1, keepdims=True)
    return tf.where(logits >= lowest, logits, _EXCLUDED)

"""The mathematics of attention as pure functions; layers hold the weights."""

import math

import keras
import numpy as np
from keras import ops

# Finite, so that a query that may attend to nothing gives no NaN. Softmax runs in float32,
# so the same value serves every compute dtype.
MASKED_SCORE = -1e9


def write_slots(cache, update, slot, in_place=False):
    """Writes N adjacent slots of a cache.

    Args:
        cache: tensor `(B, H, L, K)`, L a multiple of N.
        update: tensor `(B, H, N, K)`.
        slot: int32 scalar, the first slot to write, a multiple of N.
        in_place: write by the single operator `slice_update`, see `graph_settings`.

    Returns:
        The new cache `(B, H, L, K)`.

    Example:
        >>> cache = write_slots(np.zeros((1, 1, 4, 1)), np.ones((1, 1, 2, 1)), 2)
        >>> cache.numpy().ravel().tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    if in_place:
        return ops.slice_update(cache, (0, 0, slot, 0), update)
    written = ops.shape(update)[2]
    _, heads, slots, width = ops.shape(cache)
    groups = slots // written
    is_here_G1 = ops.equal(ops.expand_dims(ops.arange(groups, dtype="int32"), 1), slot // written)
    cache = ops.reshape(cache, (-1, heads, groups, written * width))
    update = ops.reshape(update, (-1, heads, 1, written * width))
    return ops.reshape(ops.where(is_here_G1, update, cache), (-1, heads, slots, width))


def padding_mask(token_ids, pad_id=0):
    """Marks the positions that hold tokens.

    Args:
        token_ids: integer tensor `(batch, length)`.
        pad_id: id of the padding.

    Returns:
        Boolean tensor `(batch, length)`, True where there is a token.

    Example:
        >>> padding_mask(np.array([[7, 9, 0]])).numpy().tolist()
        [[True, True, False]]
    """
    return ops.not_equal(token_ids, pad_id)


def causal_mask(length):
    """Lets each position attend to itself and to earlier positions.

    Args:
        length: number of positions, an integer or a scalar tensor.

    Returns:
        Boolean tensor `(length, length)`, rows are queries, columns keys.

    Example:
        >>> causal_mask(3).numpy().astype(int).tolist()
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    position = ops.arange(length, dtype="int32")
    return ops.greater_equal(ops.expand_dims(position, 1), ops.expand_dims(position, 0))


def segment_mask(query_segments, key_segments):
    """Lets each position attend to its own segment, where a row holds several sequences.

    Args:
        query_segments: integer tensor `(B, T)`, such as 1, 1, 1, 2, 2, 0: two sequences and
            padding, which is a segment of its own.
        key_segments: integer tensor `(B, S)`.

    Returns:
        Boolean tensor `(B, T, S)`, True = may attend.

    Example:
        >>> segment_mask(np.array([[1, 2]]), np.array([[1, 1, 2]])).numpy().astype(int).tolist()
        [[[1, 1, 0], [0, 0, 1]]]
    """
    return ops.equal(ops.expand_dims(query_segments, 2), ops.expand_dims(key_segments, 1))


def segment_positions(segments):
    """The position of each token in its segment, from 0.

    Args:
        segments: integer tensor `(B, T)`; the tokens of a segment are next to each other, and
            0 is padding.

    Returns:
        Int32 tensor `(B, T)`, 0 for padding.

    Example:
        >>> segment_positions(np.array([[1, 1, 1, 2, 2, 0, 0]])).numpy().tolist()
        [[0, 1, 2, 0, 1, 0, 0]]
    """
    same = ops.logical_and(segment_mask(segments, segments), causal_mask(ops.shape(segments)[1]))
    positions = ops.sum(ops.cast(same, "int32"), axis=2) - 1
    return ops.where(padding_mask(segments), positions, 0)


def attention_weights(scores, mask=None, masked_score=MASKED_SCORE):
    """Turns scores into weights that sum to 1 over the keys.

    The softmax accumulates in float32 whatever the dtype of the scores.

    Args:
        scores: float tensor `(..., T, S)`.
        mask: boolean tensor that broadcasts to the scores, True = may attend.
            A query that may attend to nothing gets equal weights, not NaN.
        masked_score: score of what is masked, see `graph_settings`.

    Returns:
        Weights in the shape and dtype of the scores.

    Example:
        >>> scores = np.zeros((1, 2), "float32")
        >>> attention_weights(scores, np.array([[True, False]])).numpy().tolist()
        [[1.0, 0.0]]
    """
    dtype = scores.dtype
    scores = ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, masked_score)
    if scores.shape[-1] == 1:
        # A single key gets all the weight. Keras warns about a softmax over one element;
        # 0 times the scores keeps the gradient connected.
        return ops.cast(ops.exp(0.0 * scores), dtype)
    return ops.cast(ops.softmax(scores, axis=-1), dtype)


def scaled_dot_product_attention(
    query, key, value, mask=None, dropout=None, masked_score=MASKED_SCORE
):
    r"""Scaled dot-product attention: softmax(query key^T / sqrt(width)) value.

    "Attention Is All You Need" (Vaswani et al. 2017), section 3.2.1, equation 1.

    Args:
        query: float tensor `(..., T, K)`.
        key: float tensor `(..., S, K)`.
        value: float tensor `(..., S, W)`; W is often K.
        mask: boolean tensor that broadcasts to `(..., T, S)`, True = may attend.
        dropout: a function of the weights, such as a `keras.layers.Dropout`; or None.
        masked_score: score of what is masked, see `graph_settings`.

    Returns:
        The output `(..., T, W)` and the weights `(..., T, S)` before dropout.

    Example:
        >>> query, key = np.ones((2, 3, 4), "float32"), np.ones((2, 5, 4), "float32")
        >>> output, weights = scaled_dot_product_attention(query, key, key)
        >>> output.shape, weights.shape
        (TensorShape([2, 3, 4]), TensorShape([2, 3, 5]))
    """
    # Scaling the query takes T x K products; scaling the scores would take T x S.
    query = query * (1.0 / math.sqrt(query.shape[-1]))
    scores = ops.einsum("...TK,...SK->...TS", query, key)
    weights = attention_weights(scores, mask, masked_score)
    kept = weights if dropout is None else dropout(weights)
    return ops.einsum("...TS,...SW->...TW", kept, value), weights


def gelu_tanh(inputs):
    r"""The tanh approximation of gelu, as in BERT's original code.

        0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))

    "Gaussian Error Linear Units" (Hendrycks and Gimpel 2016), section 2.

    Args:
        inputs: float tensor of any shape.

    Returns:
        A tensor of the same shape.

    Example:
        >>> round(float(gelu_tanh(np.array([1.0], "float32"))[0]), 4)
        0.8412
    """
    return ops.gelu(inputs, approximate=True)


def additive_scores(query, key, scale):
    """Scores from a network with one hidden layer: `scale^T tanh(query + key)`.

    "Neural Machine Translation by Jointly Learning to Align and Translate" (Bahdanau
    et al. 2015), appendix A.1.2, with query and key already projected. It equals the "concat"
    score of Luong et al. (2015), whose one matrix projects both.

    Args:
        query: float tensor `(B, T, A)`.
        key: float tensor `(B, S, A)`.
        scale: float tensor `(A,)`, the paper's v.

    Returns:
        Float tensor `(B, T, S)`.

    Example:
        >>> query, key = np.zeros((1, 1, 2), "float32"), np.zeros((1, 3, 2), "float32")
        >>> additive_scores(query, key, np.ones(2, "float32")).numpy().tolist()
        [[[0.0, 0.0, 0.0]]]
    """
    hidden_BTSA = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(key, 1))
    return ops.sum(hidden_BTSA * scale, axis=-1)


def dot_scores(query, key):
    """Dot-product scores, Luong et al. (2015), section 3.1.

    Args:
        query: float tensor `(B, T, D)`.
        key: float tensor `(B, S, D)`.

    Returns:
        Float tensor `(B, T, S)`.

    Example:
        >>> dot_scores(np.array([[[1.0, 2.0]]]), np.array([[[3.0, 4.0]]])).numpy().tolist()
        [[[11.0]]]
    """
    return ops.einsum("BTD,BSD->BTS", query, key)


def project(inputs, kernel, training=False):
    """Multiplies each position by a matrix, in the faster form for training or inference.

    TensorFlow's gradient of an einsum transposes inputs and outputs, which can take three
    times as long as the product itself. `matmul` of two matrices does not, but needs
    reshapes, which are extra operators in a LiteRT file; an einsum is a single one.

    Args:
        inputs: float tensor `(B, T, D)`.
        kernel: float tensor `(D, E)`.
        training: whether gradients are needed.

    Returns:
        Float tensor `(B, T, E)`.

    Example:
        >>> project(np.ones((1, 2, 3), "float32"), np.ones((3, 1), "float32")).numpy().tolist()
        [[[3.0], [3.0]]]
    """
    if not training:
        return ops.einsum("BTD,DE->BTE", inputs, kernel)
    length, width = ops.shape(inputs)[1:]
    outputs = ops.matmul(ops.reshape(inputs, (-1, width)), kernel)  # (B T, E)
    return ops.reshape(outputs, (-1, length, kernel.shape[-1]))


def recur(step, states, inputs, training=False, reverse=False):
    """Runs a recurrent step over all positions of a sequence.

    There are two loops, because neither does everything. Dense buffers of fixed shape become
    builtin operators in LiteRT, with dynamic batch and length, and compile under XLA; but
    their gradient costs a pass over the whole buffer at every position, and JAX has no
    gradient for them. `keras.ops.scan` has a cheap gradient, but its TensorArrays neither
    convert to LiteRT nor compile under XLA.

    Args:
        step: a function `(states, *inputs) -> states` of tensors `(B, 1, ...)`.
        states: list of initial states `(B, 1, U)`.
        inputs: list of tensors `(B, T, D)`; `step` gets one position at a time.
        training: whether gradients are needed.
        reverse: run from the last position to the first.

    Returns:
        A list of the states after each position `(B, T, U)`, and a list of the final states.

    Example:
        >>> totals, [last] = recur(
        ...     lambda states, x: [states[0] + x], [np.zeros((1, 1, 1), "float32")],
        ...     [np.array([[[1.0], [2.0], [3.0]]], "float32")])
        >>> totals[0].numpy().ravel().tolist(), last.numpy().item()
        ([1.0, 3.0, 6.0], 6.0)
    """
    length = ops.shape(inputs[0])[1]
    is_static = isinstance(length, int)
    if training and (not is_static or keras.backend.backend() == "jax"):
        return _recur_by_scan(step, states, inputs, reverse)
    positions_T1 = ops.expand_dims(ops.arange(length, dtype="int32"), 1)

    def body(count, states, buffers):
        position = length - 1 - count if reverse else count
        here = ops.expand_dims(position, 0)
        states = step(states, *(ops.take(x, here, axis=1) for x in inputs))
        is_here_T1 = ops.equal(positions_T1, position)
        buffers = [
            ops.where(is_here_T1, state, buffer)
            for state, buffer in zip(states, buffers, strict=True)
        ]
        return count + 1, states, buffers

    # Buffers of zeros; batch and length may be dynamic.
    rows = ops.zeros_like(inputs[0][:, :, :1])
    buffers = [ops.cast(rows, state.dtype) + ops.zeros_like(state) for state in states]
    _, states, buffers = ops.while_loop(
        lambda count, *_: ops.less(count, length),
        body,
        (ops.zeros((), "int32"), list(states), buffers),
        maximum_iterations=length if is_static else None,  # XLA needs it for the gradient
    )
    return buffers, states


def _recur_by_scan(step, states, inputs, reverse):
    # Joined into one tensor: Keras's scan over several of dynamic length fails in TensorFlow.
    cuts = np.cumsum([x.shape[-1] for x in inputs])[:-1].tolist()
    joined_TB1D = ops.expand_dims(ops.transpose(ops.concatenate(inputs, axis=-1), (1, 0, 2)), 2)

    def body(states, joined):
        states = step(states, *(ops.split(joined, cuts, axis=-1) if cuts else [joined]))
        return states, states

    states, sequences = ops.scan(body, list(states), joined_TB1D, reverse=reverse)
    return [ops.transpose(ops.squeeze(y, 2), (1, 0, 2)) for y in sequences], states


SINUSOID_LAYOUTS = ("interleaved", "halves", "marian")


def sinusoid(length, width, layout="interleaved"):
    """Sinusoidal position vectors, "Attention Is All You Need", section 3.5.

        table[position, 2 i]     = sin(position / 10000^(2 i / width))
        table[position, 2 i + 1] = cos(position / 10000^(2 i / width))

    Args:
        length: number of positions.
        width: size of a vector, even.
        layout: `"interleaved"` as above; `"halves"`, with all sines before all cosines, as in
            Hugging Face's models; or `"marian"`, the halves with exponents `i / (width / 2 - 1)` in
            place of `2 i / width`, as in Marian and Tensor2Tensor.

    Returns:
        float32 NumPy array `(length, width)`, computed in float64.

    Raises:
        ValueError: if the width is odd, or the layout unknown.

    Example:
        >>> sinusoid(2, 4).astype("float64").round(3).tolist()
        [[0.0, 1.0, 0.0, 1.0], [0.841, 0.54, 0.01, 1.0]]
    """
    if width % 2:
        raise ValueError(f"sinusoid needs an even width, received width={width}")
    position = np.arange(length, dtype="float64")[:, None]
    if layout not in SINUSOID_LAYOUTS:
        raise ValueError(f"layout must be one of {SINUSOID_LAYOUTS}, received {layout!r}")
    count = width // 2
    steps = max(1, count - 1) if layout == "marian" else count
    frequency = np.power(10000.0, -np.arange(count, dtype="float64") / steps)
    waves = [np.sin(position * frequency), np.cos(position * frequency)]
    # Stacked along a new last axis, sines and cosines take turns.
    table = np.stack(waves, 2) if layout == "interleaved" else np.concatenate(waves, 1)
    return table.reshape(length, width).astype("float32")

"""Multi-head attention: self-attention and cross-attention, at once or step by step."""

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import (
    MASKED_SCORE,
    causal_mask,
    scaled_dot_product_attention,
    write_slots,
)
from attention_zoo.layers.layer import Layer
from attention_zoo.layers.linear import Linear
from attention_zoo.layers.masks import KerasMask, join_masks


@keras.saving.register_keras_serializable("attention_zoo")
class MultiHeadAttention(Layer):
    r"""Several attention heads in parallel, each with its own projections.

        head_h = attention(query W_h^Q, memory W_h^K, memory W_h^V)
        output = concat(head_1 .. head_H) W^O

    "Attention Is All You Need" (Vaswani et al. 2017), section 3.2.2. The projections have
    biases in BERT, but not in the paper (`use_bias=False`).

    With a query alone it is self-attention, and query, key and value come from one fused
    projection. With a memory it is cross-attention, and key and value come from one fused
    projection of the memory. The first call (or `build`) decides which, since the weights
    differ.

    Args:
        num_heads: number of heads H; must divide the width of the query.
        dropout: rate on the attention weights.
        use_bias: whether the projections have biases.

    Call arguments:
        query: float tensor `(B, T, D)`.
        memory: float tensor `(B, S, M)` to attend to; the query when omitted.
        attention_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend. The mask
            that Keras attaches to the memory (or query) is combined with it.
        causal: a position may attend only to itself and to earlier positions;
            self-attention only.
        return_weights: also return the attention weights.

    Returns:
        Float tensor `(B, T, D)`, or a pair with the weights `(B, H, T, S)`.

    Raises:
        ValueError: if the heads do not divide the width, or if a layer that was built for
            self-attention is called for cross-attention, or vice versa.

    Example:
        >>> attention = MultiHeadAttention(num_heads=2)
        >>> output, weights = attention(np.ones((1, 3, 8), "float32"), return_weights=True)
        >>> output.shape, weights.shape
        (TensorShape([1, 3, 8]), TensorShape([1, 2, 3, 3]))
    """

    masked_score = MASKED_SCORE  # see `graph_settings`
    writes_in_place = False

    def __init__(self, num_heads, dropout=0.0, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout
        self.use_bias = use_bias
        self.attention_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.keras_mask = KerasMask()

    @build_once
    def build(self, query_shape, memory_shape=None):
        """Creates the projections: one fused for self-attention, two for cross-attention."""
        width = query_shape[-1]
        if width % self.num_heads:
            raise ValueError(
                f"num_heads must divide the width of the query: received "
                f"num_heads={self.num_heads}, width={width}"
            )
        self.width, self.head_width = width, width // self.num_heads
        self.is_cross = memory_shape is not None
        if self.is_cross:
            self.query = self._projection("query", 1, query_shape)
            self.key_value = self._projection("key_value", 2, memory_shape)
        else:
            self.query_key_value = self._projection("query_key_value", 3, query_shape)
        self.output_projection = self._projection("output", 1, query_shape)

    def _projection(self, name, parts, input_shape):
        # A fused matrix is initialised as its `parts` square matrices would be: by fan-in,
        # which on a square matrix equals Glorot's scheme.
        projection = Linear(
            parts * self.width,
            self.use_bias,
            kernel_initializer="lecun_uniform",
            dtype=self.dtype_policy,
            name=name,
        )
        projection.build(input_shape)
        return projection

    # The argument is not named `mask`, because Keras would attach it to the output as a mask of
    # its positions.
    def call(self, query, memory=None, attention_mask=None, causal=False, return_weights=False):
        """Attends; see the class docstring."""
        if (memory is not None) != self.is_cross:
            built, called = ("cross", "self") if self.is_cross else ("self", "cross")
            raise ValueError(f"{self.name} was built for {built}-attention, called for {called}")
        if causal and self.is_cross:
            raise ValueError(f"{self.name}: causal is for self-attention, received a memory")
        if self.is_cross:
            query_BHTK = self.project_query(query)
            key_BHSK, value_BHSK = self.project_memory(memory)
        else:
            query_BHTK, key_BHSK, value_BHSK = self._split(self.query_key_value(query), 3)
        attended = memory if self.is_cross else query
        mask = broadcast_over_heads(join_masks(attention_mask, self.keras_mask(attended)))
        if causal:
            allowed = causal_mask(ops.shape(query)[1])
            mask = allowed if mask is None else ops.logical_and(mask, allowed)
        output, weights = self.attend(query_BHTK, key_BHSK, value_BHSK, mask)
        return (output, weights) if return_weights else output

    def project_query(self, query):
        """Projects the query of cross-attention: `(B, T, D)` to `(B, H, T, K)`."""
        return self._split(self.query(query), 1)[0]

    def project_memory(self, memory):
        """Projects the memory of cross-attention, which decoding does once per sentence.

        Args:
            memory: float tensor `(B, S, M)`.

        Returns:
            Key and value, each `(B, H, S, K)`.
        """
        return self._split(self.key_value(memory), 2)

    def attend(self, query_BHTK, key_BHSK, value_BHSK, mask=None):
        """Attends with projected query, key and value.

        Args:
            query_BHTK: projected query.
            key_BHSK: projected key.
            value_BHSK: projected value.
            mask: boolean tensor that broadcasts to `(B, H, T, S)`, True = may attend.

        Returns:
            The output `(B, T, D)` and the weights `(B, H, T, S)`.
        """
        output_BHTK, weights_BHTS = scaled_dot_product_attention(
            query_BHTK, key_BHSK, value_BHSK, mask, self.attention_dropout, self.masked_score
        )
        output_BTHK = ops.transpose(output_BHTK, (0, 2, 1, 3))
        length = ops.shape(output_BTHK)[1]
        output_BTD = ops.reshape(output_BTHK, (-1, length, self.width))
        return self.output_projection(output_BTD), weights_BHTS

    def start_cache(self, batch_size, slots):
        """Creates an empty cache of fixed shape for `step`.

        Args:
            batch_size: number of sentences, an integer or a scalar tensor.
            slots: number of slots L, positions times hypotheses.

        Returns:
            Keys and values, each zeros `(B, H, L, K)`.
        """
        shape = (batch_size, self.num_heads, slots, self.head_width)
        return [ops.zeros(shape, dtype=self.compute_dtype) for _ in ("key", "value")]

    def step(self, query, cache, slot, mask):
        """Self-attention of one decoding step over all previous positions.

        The N hypotheses of a sentence are on the time axis. Each writes its key and value into
        one slot of the cache, and the mask selects the slots of its own past. So hypotheses
        share the cache, which is never reordered.

        Args:
            query: float tensor `(B, N, D)`, the newest position of each hypothesis.
            cache: what `start_cache` or the previous `step` returned.
            slot: int32 scalar, the slot of the first hypothesis, a multiple of N; the others
                use the following ones.
            mask: boolean tensor `(B, N, L)`, True = may attend.

        Returns:
            The output `(B, N, D)` and the new cache.
        """
        query_BHNK, key_BHNK, value_BHNK = self._split(self.query_key_value(query), 3)
        cache = [
            write_slots(old_BHLK, new_BHNK, slot, self.writes_in_place)
            for old_BHLK, new_BHNK in zip(cache, (key_BHNK, value_BHNK), strict=True)
        ]
        output, _ = self.attend(query_BHNK, *cache, broadcast_over_heads(mask))
        return output, cache

    def _split(self, projected, parts):
        """Splits a fused projection `(B, T, parts H K)` into `parts` tensors `(B, H, T, K)`."""
        # One transpose for all parts; -1 for the batch keeps ONNX and LiteRT dynamic.
        length = ops.shape(projected)[1]
        heads = parts * self.num_heads
        heads_BTHK = ops.reshape(projected, (-1, length, heads, self.head_width))
        return ops.split(ops.transpose(heads_BTHK, (0, 2, 1, 3)), parts, axis=1)


def broadcast_over_heads(mask):
    """Reshapes a mask `(B, S)` or `(B, T, S)` to broadcast to scores: `(B, 1, 1 or T, S)`."""
    if mask is None:
        return None
    if len(mask.shape) == 2:
        mask = ops.expand_dims(mask, 1)
    return ops.expand_dims(mask, 1)

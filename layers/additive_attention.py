"""The attention of Bahdanau et al. 2015."""

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import additive_scores
from attention_zoo.layers.linear import Linear
from attention_zoo.layers.memory_attention import MemoryAttention


@keras.saving.register_keras_serializable("attention_zoo")
class AdditiveAttention(MemoryAttention):
    r"""Attention with a feed-forward network as its score.

        score(query, key) = v^T tanh(W query + U key)

    "Neural Machine Translation by Jointly Learning to Align and Translate" (Bahdanau
    et al. 2015), appendix A.1.2. U key is computed once for all queries.

    Args:
        units: width A of the network's hidden layer.
        dropout: rate on the attention weights.

    Call arguments:
        query: float tensor `(B, T, Q)`.
        memory: float tensor `(B, S, D)`.
        attention_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend. The mask
            that Keras attaches to the memory is combined with it.
        return_weights: also return the attention weights.

    Returns:
        The context `(B, T, D)`, or a pair with the weights `(B, T, S)`.

    Example:
        >>> attention = AdditiveAttention(units=4)
        >>> query, memory = np.ones((1, 2, 3), "float32"), np.ones((1, 5, 6), "float32")
        >>> context, weights = attention(query, memory, return_weights=True)
        >>> context.shape, weights.shape
        (TensorShape([1, 2, 6]), TensorShape([1, 2, 5]))
    """

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(dropout, **kwargs)
        self.units = units

    @build_once
    def build(self, query_shape, memory_shape):
        """Creates W, U and v."""
        self.query = Linear(self.units, use_bias=False, dtype=self.dtype_policy, name="query")
        self.key = Linear(self.units, use_bias=False, dtype=self.dtype_policy, name="key")
        self.query.build(query_shape)
        self.key.build(memory_shape)
        self.score_scale = self.add_weight(
            name="scale", shape=(self.units,), initializer="lecun_uniform"
        )

    def project_memory(self, memory):
        """U key: `(B, S, D)` to `(B, S, A)`."""
        return self.key(memory)

    def scores(self, query, keys):
        """v^T tanh(W query + keys), `(B, T, S)`."""
        scale = ops.cast(self.score_scale, self.compute_dtype)
        return additive_scores(self.query(query), keys, scale)

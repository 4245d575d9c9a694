"""Dot-product attention with a single head and without weights."""

import keras
from keras import ops

from attention_zoo.layers.functional import MASKED_SCORE, scaled_dot_product_attention
from attention_zoo.layers.layer import Layer
from attention_zoo.layers.masks import KerasMask, join_masks


@keras.saving.register_keras_serializable("attention_zoo")
class ScaledDotProductAttention(Layer):
    r"""Scaled dot-product attention, softmax(query key^T / sqrt(width)) value.

    "Attention Is All You Need" (Vaswani et al. 2017), section 3.2.1. For several heads and
    projections see `MultiHeadAttention`.

    Args:
        dropout: rate on the attention weights.

    Call arguments:
        query: float tensor `(B, T, K)`.
        key: float tensor `(B, S, K)`.
        value: float tensor `(B, S, W)`; the key when omitted.
        attention_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend. The masks
            that Keras attaches to key and value are combined with it.
        return_weights: also return the attention weights.

    Returns:
        Float tensor `(B, T, W)`, or a pair with the weights `(B, T, S)`.

    Example:
        >>> query, key = np.ones((2, 3, 4), "float32"), np.ones((2, 5, 4), "float32")
        >>> ScaledDotProductAttention()(query, key).shape
        TensorShape([2, 3, 4])
    """

    masked_score = MASKED_SCORE  # see `graph_settings`

    def __init__(self, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.dropout = dropout
        self.attention_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.keras_mask = KerasMask()

    def call(self, query, key, value=None, attention_mask=None, return_weights=False):
        """Attends; see the class docstring."""
        value = key if value is None else value
        mask = join_masks(attention_mask, self.keras_mask(key), self.keras_mask(value))
        if mask is not None and len(mask.shape) == 2:
            mask = ops.expand_dims(mask, 1)
        output, weights = scaled_dot_product_attention(
            query, key, value, mask, self.attention_dropout, self.masked_score
        )
        return (output, weights) if return_weights else output

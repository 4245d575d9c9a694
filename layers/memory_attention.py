"""Attention to a memory whose keys are projected once; subclasses define the score."""

import keras
from keras import ops

from attention_zoo.layers.functional import MASKED_SCORE, attention_weights
from attention_zoo.layers.layer import Layer
from attention_zoo.layers.masks import KerasMask, join_masks


class MemoryAttention(Layer):
    r"""The base class of `AdditiveAttention` and `LuongAttention`.

        context = softmax(score(query, keys)) memory

    A subclass defines `scores`, and `project_memory` if its keys are not the memory itself.

    Args:
        dropout: rate on the attention weights.

    Call arguments:
        query: float tensor `(B, T, Q)`.
        memory: float tensor `(B, S, D)`.
        attention_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend. The mask
            that Keras attaches to the memory is combined with it.
        return_weights: also return the attention weights.

    Returns:
        The context `(B, T, D)`, or a pair with the weights `(B, T, S)`.
    """

    masked_score = MASKED_SCORE  # see `graph_settings`

    def __init__(self, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.dropout = dropout
        self.attention_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.keras_mask = KerasMask()

    def call(self, query, memory, attention_mask=None, return_weights=False):
        """Attends; see the class docstring."""
        mask = join_masks(attention_mask, self.keras_mask(memory))
        context, weights = self.attend(query, self.project_memory(memory), memory, mask)
        return (context, weights) if return_weights else context

    def project_memory(self, memory):
        """Computes the keys, which decoding does once per sentence.

        Args:
            memory: float tensor `(B, S, D)`.

        Returns:
            Float tensor `(B, S, A)`.
        """
        return memory

    def scores(self, query, keys):
        """Scores `(B, T, S)` of queries `(B, T, Q)` and keys `(B, S, A)`."""
        raise NotImplementedError(f"{type(self).__name__} does not define scores")

    def attend(self, query, keys, memory, attention_mask=None):
        """Attends with keys that have been projected already.

        Args:
            query: float tensor `(B, T, Q)`.
            keys: what `project_memory` returned.
            memory: float tensor `(B, S, D)`.
            attention_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend.

        Returns:
            The context `(B, T, D)` and the weights `(B, T, S)`.
        """
        if attention_mask is not None and len(attention_mask.shape) == 2:
            attention_mask = ops.expand_dims(attention_mask, 1)
        scores_BTS = self.scores(query, keys)
        weights_BTS = attention_weights(scores_BTS, attention_mask, self.masked_score)
        context_BTD = ops.einsum("BTS,BSD->BTD", self.attention_dropout(weights_BTS), memory)
        return context_BTD, weights_BTS

"""Attention to a memory whose keys are projected once; the score is a parameter."""

import keras
from keras import ops

from attention_zoo.layers.functional import MASKED_SCORE, attention_weights
from attention_zoo.layers.layer import Layer
from attention_zoo.layers.masks import KerasMask, join_masks


class MemoryAttention(Layer):
    r"""Attends: `softmax(score(query, keys)) memory`.

    The ground that `AdditiveAttention` and `LuongAttention` stand on; a score with
    weights of its own is a subclass of this class that gives `project_memory` and `scores`.

    Args:
        dropout: share of the attention weights set to zero in training.

    Call arguments:
        query: float tensor `(B, T, Q)`.
        memory: float tensor `(B, S, D)`.
        attention_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend. The mask
            that Keras has attached to the memory counts beside it.
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
        """The keys of a memory, which decoding makes once a sentence.

        Args:
            memory: float tensor `(B, S, D)`.

        Returns:
            Float tensor `(B, S, A)`.
        """
        return memory

    def scores(self, query, keys):
        """Scores `(B, T, S)` of queries `(B, T, Q)` and projected keys `(B, S, A)`."""
        raise NotImplementedError(f"{type(self).__name__} has no scores")

    def attend(self, query, keys, memory, attention_mask=None):
        """Attends with keys that are already projected.

        Args:
            query: float tensor `(B, T, Q)`.
            keys: what `project_memory` gave.
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

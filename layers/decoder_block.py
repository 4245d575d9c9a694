"""A block of the Transformer decoder, for whole sentences or step by step."""

from typing import Unpack

import keras

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.encoder_block import EncoderBlock
from attention_zoo.layers.multi_head_attention import broadcast_over_heads
from attention_zoo.layers.options import BlockOptions


@keras.saving.register_keras_serializable("attention_zoo")
class DecoderBlock(EncoderBlock):
    r"""Causal self-attention, cross-attention to a memory, and a feed-forward network.

    "Attention Is All You Need" (Vaswani et al. 2017), section 3.1 and figure 1
    (right): an encoder block with cross-attention between its two halves.

    Args:
        num_heads: attention heads H; must divide the width of the input.
        feed_forward_width: inner width F of the feed-forward network.
        **options: the options of `EncoderBlock`.

    Call arguments:
        inputs: float tensor `(B, T, D)`.
        memory: float tensor `(B, S, M)`, the encoder's output.
        attention_mask: boolean tensor `(B, T)` or `(B, T, T)` over the inputs, True = may attend.
            A causal mask is combined with it, which also hides padding at the end.
        memory_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend. The masks
            that Keras attaches to inputs and memory are combined with these two.
        return_weights: True to also return the cross-attention weights `(B, H, T, S)`; `"all"` to
            return them and the self-attention weights `(B, H, T, T)`.

    Returns:
        Float tensor `(B, T, D)`; with True a pair with the cross-attention weights, with `"all"`
        a triple: the output, cross-attention weights, self-attention weights.

    Raises:
        ValueError: if the heads do not divide the width, or `norm` is unknown.

    Example:
        >>> block = DecoderBlock(num_heads=2, feed_forward_width=16)
        >>> inputs, memory = np.ones((1, 3, 8), "float32"), np.ones((1, 5, 8), "float32")
        >>> block(inputs, memory).shape
        TensorShape([1, 3, 8])
    """

    def __init__(self, num_heads, feed_forward_width, **options: Unpack[BlockOptions]):
        super().__init__(num_heads, feed_forward_width, **options)
        self.cross_attention = self._attention("cross_attention")
        self.cross_attention_add_norm = self._add_norm("cross_attention_add_norm")

    @build_once
    def build(self, inputs_shape, memory_shape):
        """Builds the sub-layers."""
        super().build(inputs_shape)
        self.cross_attention.build(inputs_shape, memory_shape)
        self.cross_attention_add_norm.build(inputs_shape)

    def call(self, inputs, memory, attention_mask=None, memory_mask=None, return_weights=False):
        """Decodes a whole sequence; see the class docstring."""
        attended, self_weights = self.attend_to_past(
            self.self_attention_add_norm.before(inputs), attention_mask
        )
        hidden = self.self_attention_add_norm(inputs, attended)
        attended, weights = self.cross_attention(
            self.cross_attention_add_norm.before(hidden),
            memory,
            attention_mask=memory_mask,
            return_weights=True,
        )
        hidden = self.cross_attention_add_norm(hidden, attended)
        hidden = self.apply_feed_forward(hidden)
        if return_weights == "all":
            return hidden, weights, self_weights
        return (hidden, weights) if return_weights else hidden

    def attend_to_past(self, inputs, attention_mask=None):
        """Reads earlier positions: the new inputs and the weights `(B, H, T, T)`.

        The weights are None in a block that reads them without attention.
        """
        return self.self_attention(
            inputs, attention_mask=attention_mask, causal=True, return_weights=True
        )

    def start_cache(self, batch_size, max_length, num_hypotheses):
        """Creates an empty cache for `step`.

        Args:
            batch_size: number of sentences, an integer or a scalar tensor.
            max_length: largest number of steps.
            num_hypotheses: hypotheses per sentence.

        Returns:
            A list of tensors, see `MultiHeadAttention.start_cache`.
        """
        return self.self_attention.start_cache(batch_size, max_length * num_hypotheses)

    def step(self, inputs, cache, slot, mask, projected_memory, memory_mask=None):
        """Decodes one position of N hypotheses per sentence.

        Args:
            inputs: float tensor `(B, N, D)`.
            cache: what `start_cache` or the previous `step` returned.
            slot: int32 scalar, see `MultiHeadAttention.step`.
            mask: boolean tensor `(B, N, L)`, True for the slots of each hypothesis's past.
            projected_memory: what `cross_attention.project_memory` returned.
            memory_mask: boolean tensor `(B, S)`, True = may attend.

        Returns:
            The output `(B, N, D)`, the new cache, and the cross-attention weights `(B, H, N, S)`.
        """
        attended, cache = self.self_attention.step(
            self.self_attention_add_norm.before(inputs), cache, slot, mask
        )
        hidden = self.self_attention_add_norm(inputs, attended)
        query_BHNK = self.cross_attention.project_query(
            self.cross_attention_add_norm.before(hidden)
        )
        attended, weights = self.cross_attention.attend(
            query_BHNK, *projected_memory, broadcast_over_heads(memory_mask)
        )
        hidden = self.cross_attention_add_norm(hidden, attended)
        return self.apply_feed_forward(hidden), cache, weights

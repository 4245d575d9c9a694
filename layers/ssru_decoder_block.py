"""A block of the Transformer decoder with a recurrence in place of self-attention."""

import keras

from attention_zoo.layers.decoder_block import DecoderBlock
from attention_zoo.layers.ssru import SSRU


@keras.saving.register_keras_serializable("attention_zoo")
class SSRUDecoderBlock(DecoderBlock):
    r"""An SSRU, cross-attention to a memory, and a feed-forward network.

    "From Research to Production and Back" (Kim et al. 2019), section 3.1: `DecoderBlock` with an
    `SSRU` where that has causal self-attention.

    Args:
        num_heads: heads H of the cross-attention; must divide the width of the input.
        feed_forward_width: inner width F of the feed-forward network.
        **options: the options of `EncoderBlock`.

    Call arguments:
        inputs: float tensor `(B, T, D)`.
        memory: float tensor `(B, S, M)`, the encoder's output.
        attention_mask: must be None: what an SSRU reads cannot be masked. Padding comes last.
        memory_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend.
        return_weights: see `DecoderBlock`; the self-attention weights are None.

    Returns:
        Float tensor `(B, T, D)`, or a tuple with the weights.

    Raises:
        ValueError: if the heads do not divide the width, `norm` is unknown, or there is an
            `attention_mask`.

    Example:
        >>> block = SSRUDecoderBlock(num_heads=2, feed_forward_width=16)
        >>> inputs, memory = np.ones((1, 3, 8), "float32"), np.ones((1, 5, 8), "float32")
        >>> block(inputs, memory).shape
        TensorShape([1, 3, 8])
    """

    def _past_layer(self):
        return SSRU(dtype=self.dtype_policy, name="ssru")

    def attend_to_past(self, inputs, attention_mask=None):
        """See `DecoderBlock`; there are no weights."""
        return self.self_attention(inputs, attention_mask=attention_mask, causal=True), None

    def start_cache(self, batch_size, max_length, num_hypotheses):
        """Creates the state before the first position; see `SSRU.start_cache`."""
        return self.self_attention.start_cache(batch_size, num_hypotheses)

"""A block of the Transformer encoder."""

import keras

from attention_zoo.layers.add_norm import AddNorm
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.feed_forward import FeedForward
from attention_zoo.layers.layer import Layer
from attention_zoo.layers.multi_head_attention import MultiHeadAttention


@keras.saving.register_keras_serializable("attention_zoo")
class EncoderBlock(Layer):
    r"""Self-attention and a feed-forward network, each with a residual connection and a norm.

    "Attention Is All You Need" (Vaswani et al. 2017), section 3.1 and figure 1 (left).

    Args:
        num_heads: attention heads H; must divide the width of the input.
        feed_forward_width: inner width F of the feed-forward network.
        activation: of the feed-forward network, see `FeedForward`.
        norm: `"post"` as in the paper, or `"pre"`.
        dropout: rate on the output of each sub-layer (the paper's P_drop).
        attention_dropout: rate on the attention weights (0 in the paper).
        activation_dropout: rate inside the feed-forward network (0 in the paper).
        attention_bias: whether the attention's projections have biases (not in the paper).
        epsilon: of the layer normalisation.

    Call arguments:
        inputs: float tensor `(B, T, D)`.
        attention_mask: boolean tensor `(B, T)` or `(B, T, T)`, True = may attend. The mask
            that Keras attaches to the inputs is combined with it.
        return_weights: also return the attention weights `(B, H, T, T)`.

    Returns:
        Float tensor `(B, T, D)`, or a pair with the weights.

    Raises:
        ValueError: if the heads do not divide the width, or `norm` is unknown.

    Example:
        >>> block = EncoderBlock(num_heads=2, feed_forward_width=16)
        >>> block(np.ones((1, 3, 8), "float32")).shape
        TensorShape([1, 3, 8])
    """

    def __init__(
        self,
        num_heads,
        feed_forward_width,
        *,
        activation="relu",
        norm="post",
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        attention_bias=True,
        epsilon=1e-6,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.feed_forward_width = feed_forward_width
        self.activation = activation
        self.norm = norm
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.activation_dropout = activation_dropout
        self.attention_bias = attention_bias
        self.epsilon = epsilon
        self.self_attention = self._past_layer()
        self.self_attention_add_norm = self._add_norm("self_attention_add_norm")
        self.feed_forward = FeedForward(
            feed_forward_width,
            activation,
            activation_dropout,
            dtype=self.dtype_policy,
            name="feed_forward",
        )
        self.feed_forward_add_norm = self._add_norm("feed_forward_add_norm")

    def _past_layer(self):
        """The sub-layer by which a position reads others."""
        return self._attention("self_attention")

    def _attention(self, name):
        return MultiHeadAttention(
            self.num_heads,
            self.attention_dropout,
            self.attention_bias,
            dtype=self.dtype_policy,
            name=name,
        )

    def _add_norm(self, name):
        return AddNorm(self.norm, self.dropout, self.epsilon, dtype=self.dtype_policy, name=name)

    @build_once
    def build(self, inputs_shape):
        """Builds the sub-layers."""
        self.self_attention.build(inputs_shape)
        self.self_attention_add_norm.build(inputs_shape)
        self.feed_forward.build(inputs_shape)
        self.feed_forward_add_norm.build(inputs_shape)

    def call(self, inputs, attention_mask=None, return_weights=False):
        """Encodes; see the class docstring."""
        attended, weights = self.self_attention(
            self.self_attention_add_norm.before(inputs),
            attention_mask=attention_mask,
            return_weights=True,
        )
        hidden = self.self_attention_add_norm(inputs, attended)
        hidden = self.apply_feed_forward(hidden)
        return (hidden, weights) if return_weights else hidden

    def apply_feed_forward(self, hidden):
        """Applies the second half of the block."""
        output = self.feed_forward(self.feed_forward_add_norm.before(hidden))
        return self.feed_forward_add_norm(hidden, output)

"""Token embedding whose table can also serve as the output projection."""

import math

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import project
from attention_zoo.layers.layer import Layer


@keras.saving.register_keras_serializable("attention_zoo")
class TokenEmbedding(Layer):
    r"""Looks up a vector for each id, optionally scaled by sqrt(width).

    "Attention Is All You Need" (Vaswani et al. 2017), section 3.4: the two
    embeddings and the linear map before the softmax share one matrix, and the
    embeddings are multiplied by sqrt(d_model). `logits` is that linear map.

    Args:
        vocab_size: number of ids V.
        width: size of a vector D.
        scale: whether to multiply by sqrt(width).
        output_bias: whether `logits` adds a bias (not in the paper).

    Call arguments:
        token_ids: integer tensor of any shape, values in `[0, vocab_size)`.

    Returns:
        Float tensor with one more axis, D.

    Example:
        >>> embedding = TokenEmbedding(vocab_size=10, width=4)
        >>> embedding(np.array([[1, 2, 3]])).shape
        TensorShape([1, 3, 4])
        >>> embedding.logits(np.ones((1, 3, 4), "float32")).shape
        TensorShape([1, 3, 10])
    """

    def __init__(self, vocab_size, width, scale=True, output_bias=False, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.width = width
        self.scale = scale
        self.output_bias = output_bias

    @build_once
    def build(self, input_shape=None):
        """Creates the table, initialised so that logits start with unit variance."""
        self.table = self.add_weight(
            name="table",
            shape=(self.vocab_size, self.width),
            initializer=keras.initializers.RandomNormal(stddev=self.width**-0.5),
        )
        if self.output_bias:
            self.bias = self.add_weight(name="bias", shape=(self.vocab_size,), initializer="zeros")

    def call(self, token_ids):
        """Looks the ids up."""
        vectors = ops.take(self.table, token_ids, axis=0)
        return vectors * math.sqrt(self.width) if self.scale else vectors

    def logits(self, hidden, training=False):
        """The tied output projection: `(B, T, D)` to `(B, T, V)`."""
        table = ops.cast(self.table, self.compute_dtype)
        if training:
            logits = project(hidden, ops.transpose(table), training)
        else:
            # Without a transposed copy of the table in exported graphs.
            logits = ops.einsum("BTD,VD->BTV", hidden, table)
        return logits + ops.cast(self.bias, self.compute_dtype) if self.output_bias else logits

    def compute_output_shape(self, input_shape):
        """The shape of the ids with the width appended."""
        return (*input_shape, self.width)

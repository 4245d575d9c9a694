"""Residual connection and layer normalisation around a sub-layer."""

import keras

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.layer import Layer


@keras.saving.register_keras_serializable("attention_zoo")
class AddNorm(Layer):
    r"""Adds the output of a sub-layer to its input, and normalises.

        post-norm   x = LayerNorm(x + dropout(sublayer(x)))
        pre-norm    x = x + dropout(sublayer(LayerNorm(x)))

    Post-norm is "Attention Is All You Need" (Vaswani et al. 2017), section 5.4 and
    figure 1; pre-norm (Xiong et al. 2020, arXiv 2002.04745) trains deep stacks
    without warm-up. Both are used in the same way:

        add_norm = AddNorm(norm="pre")
        x = add_norm(x, sublayer(add_norm.before(x)))

    Args:
        norm: `"post"` or `"pre"`.
        dropout: rate on the output of the sub-layer.
        epsilon: added to the variance. The paper gives none; 1e-6 is from its code.

    Call arguments:
        residual: float tensor `(..., D)`, the input of the sub-layer.
        output: float tensor of the same shape, the output of the sub-layer.

    Returns:
        Float tensor of the same shape.

    Raises:
        ValueError: if `norm` is unknown.

    Example:
        >>> AddNorm()(np.ones((1, 2, 4), "float32"), np.zeros((1, 2, 4), "float32")).shape
        TensorShape([1, 2, 4])
    """

    def __init__(self, norm="post", dropout=0.0, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        if norm not in ("post", "pre"):
            raise ValueError(f'norm must be "post" or "pre", received {norm!r}')
        self.norm = norm
        self.dropout = dropout
        self.epsilon = epsilon
        self.output_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=epsilon, dtype=self.dtype_policy, name="layer_norm"
        )

    @build_once
    def build(self, residual_shape, output_shape=None):
        """Creates the scale and the offset of the normalisation."""
        self.layer_norm.build(residual_shape)

    def before(self, residual):
        """The input of the sub-layer: the residual, normalised if `norm` is `"pre"`."""
        if self.norm == "post":
            return residual
        if not self.built:
            self.build(residual.shape)
        return self.layer_norm(residual)

    def call(self, residual, output):
        """Adds, then normalises if `norm` is `"post"`."""
        total = residual + self.output_dropout(output)
        return self.layer_norm(total) if self.norm == "post" else total

    def compute_output_shape(self, residual_shape, output_shape=None):
        """The shape of the residual."""
        return residual_shape

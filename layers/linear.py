"""A linear map of the last axis, fast in training and compact in LiteRT."""

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import project
from attention_zoo.layers.layer import Layer


@keras.saving.register_keras_serializable("attention_zoo")
class Linear(Layer):
    r"""Maps each position by `inputs kernel + bias`, as `keras.layers.Dense` does.

    It differs in how the product is computed, see `project`.

    Args:
        width: size of an output vector E.
        use_bias: whether there is a bias.
        kernel_initializer: of the kernel `(D, E)`; the bias starts at zero.

    Call arguments:
        inputs: float tensor `(B, T, D)`.

    Returns:
        Float tensor `(B, T, E)`.

    Example:
        >>> Linear(4)(np.ones((2, 3, 8), "float32")).shape
        TensorShape([2, 3, 4])
    """

    def __init__(self, width, use_bias=True, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer

    @build_once
    def build(self, input_shape):
        """Creates the weights."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.width),
            initializer=self.kernel_initializer,
        )
        self.bias = (
            self.add_weight(name="bias", shape=(self.width,), initializer="zeros")
            if self.use_bias
            else None
        )

    def call(self, inputs, training=False):
        """Maps `(B, T, D)` to `(B, T, E)`."""
        outputs_BTE = project(inputs, self.kernel, training)
        return ops.add(outputs_BTE, self.bias) if self.use_bias else outputs_BTE

    def compute_output_shape(self, input_shape):
        """The shape of the input with the new width."""
        return (*input_shape[:-1], self.width)

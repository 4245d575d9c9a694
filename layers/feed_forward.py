"""The position-wise feed-forward network."""

import keras

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import gelu_tanh
from attention_zoo.layers.layer import Layer
from attention_zoo.layers.linear import Linear

_ACTIVATIONS = {"gelu_tanh": gelu_tanh}


@keras.saving.register_keras_serializable("attention_zoo")
class FeedForward(Layer):
    r"""Two linear maps with an activation in between, applied to each position.

        FFN(x) = activation(x W_1 + b_1) W_2 + b_2

    "Attention Is All You Need" (Vaswani et al. 2017), section 3.3, with relu. BERT uses gelu:
    the exact form in its paper and PyTorch implementations, the tanh approximation in its
    original code and in KerasHub.

    Args:
        inner_width: width F of the hidden layer.
        activation: `"relu"`, `"gelu"`, `"gelu_tanh"`, or any Keras activation.
        dropout: rate on the hidden layer (0 in the paper).

    Call arguments:
        inputs: float tensor `(B, T, D)`.

    Returns:
        Float tensor `(B, T, D)`.

    Example:
        >>> FeedForward(inner_width=16)(np.ones((1, 2, 4), "float32")).shape
        TensorShape([1, 2, 4])
    """

    def __init__(self, inner_width, activation="relu", dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.inner_width = inner_width
        self.activation = activation_function(activation)
        self.dropout = dropout
        self.inner_dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    @build_once
    def build(self, input_shape):
        """Creates the two maps."""
        width = input_shape[-1]
        self.inner = Linear(self.inner_width, dtype=self.dtype_policy, name="inner")
        self.outer = Linear(width, dtype=self.dtype_policy, name="outer")
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], self.inner_width))

    def call(self, inputs):
        """Applies the network to `(B, T, D)`."""
        return self.outer(self.inner_dropout(self.activation(self.inner(inputs))))

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape

    def get_config(self):
        """All constructor arguments; the activation by its name."""
        return {**super().get_config(), "activation": self._activation_name()}

    def _activation_name(self):
        names = [name for name, function in _ACTIVATIONS.items() if function is self.activation]
        return names[0] if names else keras.activations.serialize(self.activation)


def activation_function(name):
    """The function of an activation's name: ours or Keras's; a function is returned as it is."""
    if isinstance(name, str) and name in _ACTIVATIONS:
        return _ACTIVATIONS[name]
    return keras.activations.get(name)

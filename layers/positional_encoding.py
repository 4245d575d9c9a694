"""Positional encodings for models without recurrence."""

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import sinusoid
from attention_zoo.layers.layer import Layer


class _PositionalEncoding(Layer):
    """Adds row `position` of a table to every vector."""

    def __init__(self, max_length, **kwargs):
        super().__init__(**kwargs)
        self.max_length = max_length

    def call(self, inputs, positions=None):
        """Adds rows 0, 1, 2 ... to `(B, T, D)`, or those of `positions`."""
        if positions is not None:
            rows_BTD = ops.take(ops.convert_to_tensor(self.table), positions, axis=0)
            return inputs + ops.cast(rows_BTD, inputs.dtype)
        length = inputs.shape[1]
        # In JAX an unknown length is a symbol, not an integer.
        if isinstance(length, int) and length > self.max_length:
            raise ValueError(
                f"{self.name} has max_length={self.max_length} positions, "
                f"received a sequence of {length}"
            )
        table = ops.convert_to_tensor(self.table)
        rows_TD = ops.slice(table, (0, 0), (ops.shape(inputs)[1], inputs.shape[2]))
        return inputs + ops.expand_dims(ops.cast(rows_TD, inputs.dtype), 0)

    def step(self, inputs, position):
        """Adds one row to every vector of one decoding step.

        Args:
            inputs: float tensor `(B, N, D)`.
            position: int32 scalar, the position of all N hypotheses.
        """
        row_D = ops.take(ops.convert_to_tensor(self.table), position, axis=0)
        return inputs + ops.cast(row_D, inputs.dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape


@keras.saving.register_keras_serializable("attention_zoo")
class SinusoidalPositionalEncoding(_PositionalEncoding):
    """Adds sine and cosine waves of the position; has no weights.

    "Attention Is All You Need" (Vaswani et al. 2017), section 3.5.

    Args:
        max_length: number of positions in the table.
        layout: of sines and cosines: `"interleaved"` as in the paper, `"halves"` or `"marian"`, see
            `sinusoid`.

    Call arguments:
        inputs: float tensor `(B, T, D)` with T at most `max_length`, D even.
        positions: integer tensor `(B, T)`, values in `[0, max_length)`; default: 0, 1, 2 and so
            on. T may then be greater.

    Returns:
        Float tensor `(B, T, D)`.

    Raises:
        ValueError: if the sequence is longer than the table, D is odd, or the layout unknown.

    Example:
        >>> layer = SinusoidalPositionalEncoding(max_length=8)
        >>> layer(np.zeros((1, 2, 4), "float32")).numpy().astype("float64").round(3).tolist()
        [[[0.0, 1.0, 0.0, 1.0], [0.841, 0.54, 0.01, 1.0]]]
    """

    def __init__(self, max_length, layout="interleaved", **kwargs):
        super().__init__(max_length, **kwargs)
        self.layout = layout

    @build_once
    def build(self, input_shape):
        """Computes the table, a constant."""
        self.table = sinusoid(self.max_length, input_shape[-1], self.layout)


@keras.saving.register_keras_serializable("attention_zoo")
class LearnedPositionalEncoding(_PositionalEncoding):
    """Adds a trained vector for each position, as BERT and GPT do.

    Args:
        max_length: number of positions in the table.

    Call arguments:
        inputs: float tensor `(B, T, D)` with T at most `max_length`.
        positions: integer tensor `(B, T)`, values in `[0, max_length)`; default: 0, 1, 2 and so
            on. T may then be greater.

    Returns:
        Float tensor `(B, T, D)`.

    Raises:
        ValueError: if the sequence is longer than the table.

    Example:
        >>> LearnedPositionalEncoding(max_length=8)(np.zeros((1, 2, 4), "float32")).shape
        TensorShape([1, 2, 4])
    """

    @build_once
    def build(self, input_shape):
        """Creates the table, initialised as in BERT."""
        self.table = self.add_weight(
            name="table",
            shape=(self.max_length, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

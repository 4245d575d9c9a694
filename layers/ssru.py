"""The simpler simple recurrent unit, in place of the self-attention of a decoder."""

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import project, recur
from attention_zoo.layers.layer import Layer


@keras.saving.register_keras_serializable("attention_zoo")
class SSRU(Layer):
    r"""A recurrent layer whose only matrix products are of its inputs.

    "From Research to Production and Back: Ludicrously Fast Neural Machine Translation" (Kim et al.
    2019), section 3.1, with the elementwise product *:

        f_t = sigmoid(W_f x_t + b_f)
        c_t = f_t * c_{t-1} + (1 - f_t) * (W x_t)
        h_t = relu(c_t)

    A step costs the same at every position, and its state is one vector. The students of
    Marian that Firefox translates with have it in their decoders.

    It is called as the causal self-attention of `MultiHeadAttention` is, so that a decoder block
    can have either.

    Call arguments:
        inputs: float tensor `(B, T, D)`; padding comes last.
        attention_mask: must be None: a recurrence reads all positions.
        causal: must be True.

    Returns:
        Float tensor `(B, T, D)`.

    Raises:
        ValueError: if there is a mask, or `causal` is false.

    Example:
        >>> SSRU()(np.ones((1, 3, 8), "float32")).shape
        TensorShape([1, 3, 8])
    """

    @build_once
    def build(self, input_shape):
        """Creates the two matrices, joined in one, and the bias of the forget gate."""
        self.width = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel", shape=(self.width, 2 * self.width), initializer="lecun_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(self.width,), initializer="zeros")

    def call(self, inputs, attention_mask=None, causal=True, training=False):
        """Runs over a sequence; see the class docstring."""
        if attention_mask is not None or not causal:
            raise ValueError(
                f"{self.name} reads all positions up to its own: it takes no mask, and causal must "
                f"be True; received attention_mask={attention_mask}, causal={causal}"
            )
        (cells_BTD,), _ = recur(
            self._advance,
            [ops.zeros((ops.shape(inputs)[0], 1, self.width), dtype=self.compute_dtype)],
            self._gates(inputs, training),
            training,
        )
        return ops.relu(cells_BTD)

    def start_cache(self, batch_size, num_hypotheses):
        """The state before the first position: a list of one tensor, zeros `(B, N, D)`."""
        return [ops.zeros((batch_size, num_hypotheses, self.width), dtype=self.compute_dtype)]

    def step(self, inputs, cache, slot=None, mask=None):
        """Runs one position of N hypotheses per sentence.

        Args:
            inputs: float tensor `(B, N, D)`.
            cache: what `start_cache` or the previous `step` returned, reordered as the hypotheses.
            slot: ignored.
            mask: ignored.

        Returns:
            The output `(B, N, D)` and the new cache.
        """
        cache = self._advance(cache, *self._gates(inputs))
        return ops.relu(cache[0]), cache

    def _gates(self, inputs, training=False):
        """The forget gate f and the new content (1 - f) * (W x), each `(B, T, D)`."""
        kernel = ops.cast(self.kernel, self.compute_dtype)
        new, forget = ops.split(project(inputs, kernel, training), 2, axis=-1)
        forget = ops.sigmoid(forget + ops.cast(self.bias, self.compute_dtype))
        return [forget, (1 - forget) * new]

    def _advance(self, states, forget, new):
        return [forget * states[0] + new]

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape

"""GRU and LSTM, over a sequence by a loop that LiteRT can run, or one position at a time."""

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import project, recur
from attention_zoo.layers.layer import Layer
from attention_zoo.layers.masks import KerasMask, join_masks

_GATES = {"gru": 3, "lstm": 4}
_NUM_STATES = {"gru": 1, "lstm": 2}


@keras.saving.register_keras_serializable("attention_zoo")
class Recurrent(Layer):
    r"""A recurrent layer whose state does not change at padded positions.

    GRU (Cho et al. 2014, section 2.3), with gates r and z and the elementwise product *:

        h' = tanh(W x + b + r * (U h + c))    reset_after=True: as in cuDNN, torch and Keras
        h' = tanh(W x + b + U (r * h))        reset_after=False: as in the paper
        h_t = z * h + (1 - z) * h'

    LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000):

        c_t = f * c + i * tanh(W x + U h + b)
        h_t = o * tanh(c_t)

    The weights are those of `keras.layers.GRU` and `keras.layers.LSTM`, in the same order:
    kernel, recurrent kernel, bias. With a GPU, training calls these layers, and so cuDNN,
    unless `layer_norm`, `recurrent_dropout` or `reset_after=False` rules it out; outputs at
    padded positions are then undefined.

    Args:
        units: width U of the state.
        cell: `"gru"` or `"lstm"`.
        reset_after: whether the GRU's reset gate acts after the product with U.
        reverse: run from the last position to the first; outputs stay in the order of the
            inputs.
        dropout: rate on the inputs.
        recurrent_dropout: rate on the state that enters the matrix products, with one mask for
            all positions (Gal and Ghahramani 2016).
        variational: use one mask for all positions on the inputs, too.
        layer_norm: normalise both products, and the LSTM's cell state at the output (Ba
            et al. 2016, supplementary material, equations 20 to 22); needs `reset_after`.
        fused: whether training calls Keras's layers; None: if there is a GPU.

    Call arguments:
        inputs: float tensor `(B, T, D)`.
        initial_state: list of tensors `(B, U)`, h for GRU, h and c for LSTM; zeros when
            omitted.
        token_mask: boolean tensor `(B, T)`, True = token; padding comes last. The mask that
            Keras attaches to the inputs is combined with it.
        return_state: also return the final states.

    Returns:
        Float tensor `(B, T, U)`, or a pair with the list of final states `(B, U)`.

    Raises:
        ValueError: if the cell is unknown, or options are incompatible.

    Example:
        >>> inputs = np.ones((2, 3, 8), "float32")
        >>> outputs, [state] = Recurrent(4)(inputs, return_state=True)
        >>> outputs.shape, state.shape
        (TensorShape([2, 3, 4]), TensorShape([2, 4]))
    """

    def __init__(
        self,
        units,
        cell="gru",
        *,
        reset_after=True,
        reverse=False,
        dropout=0.0,
        recurrent_dropout=0.0,
        variational=False,
        layer_norm=False,
        fused=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if cell not in _GATES:
            raise ValueError(f"cell must be one of {list(_GATES)}, received {cell!r}")
        if layer_norm and not reset_after:
            raise ValueError("layer_norm needs reset_after=True, received reset_after=False")
        can_fuse = not (layer_norm or recurrent_dropout) and (reset_after or cell == "lstm")
        if fused and not can_fuse:
            raise ValueError(
                "fused=True needs reset_after, no layer_norm and no recurrent_dropout; received "
                f"layer_norm={layer_norm}, recurrent_dropout={recurrent_dropout}, "
                f"reset_after={reset_after}"
            )
        self.units = units
        self.cell = cell
        self.reset_after = reset_after
        self.reverse = reverse
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.variational = variational
        self.layer_norm = layer_norm
        self.fused = fused
        self._can_fuse = can_fuse
        self.input_dropout = keras.layers.Dropout(
            dropout, noise_shape=(None, 1, None) if variational else None, dtype=self.dtype_policy
        )
        self.state_dropout = keras.layers.Dropout(recurrent_dropout, dtype=self.dtype_policy)
        self.keras_mask = KerasMask()

    @property
    def gates(self):
        """Width of all gates together, which is that of `project_inputs`."""
        return _GATES[self.cell] * self.units

    @property
    def num_states(self):
        """1 for GRU (h), 2 for LSTM (h and c)."""
        return _NUM_STATES[self.cell]

    @build_once
    def build(self, input_shape):
        """Creates the weights, in Keras's layout."""
        gates = self.gates
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], gates), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, gates), initializer="orthogonal"
        )
        two_biases = self.cell == "gru" and self.reset_after
        self.bias = self.add_weight(
            name="bias", shape=(2, gates) if two_biases else (gates,), initializer=self._first_bias
        )
        if self.layer_norm:
            self.input_norm = self._norm("input_norm", gates)
            self.recurrent_norm = self._norm("recurrent_norm", gates)
            self.cell_norm = self._norm("cell_norm", self.units) if self.cell == "lstm" else None

    def _first_bias(self, shape, dtype=None):
        if self.cell == "gru":
            return ops.zeros(shape, dtype)
        # The forget gate, the second of four, starts open (Jozefowicz et al. 2015).
        gate = ops.arange(shape[0]) // self.units
        return ops.cast(ops.equal(gate, 1), dtype)

    def _norm(self, name, width):
        norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy, name=name)
        norm.build((None, None, width))
        return norm

    def call(self, inputs, initial_state=None, token_mask=None, return_state=False, training=False):
        """Runs over a sequence; see the class docstring."""
        if initial_state is None:
            zeros = ops.zeros((ops.shape(inputs)[0], self.units), dtype=self.compute_dtype)
            initial_state = [zeros] * self.num_states
        token_mask = join_masks(token_mask, self.keras_mask(inputs))
        inputs = self.input_dropout(inputs, training=training)
        read = self._read_by_keras if training and self._may_fuse() else self._read
        outputs, states = read(inputs, initial_state, token_mask, training)
        return (outputs, states) if return_state else outputs

    def _read(self, inputs, initial_state, token_mask, training):
        projected_BTG = self.project_inputs(inputs, training)
        _, state_mask = self.masks(ops.shape(inputs)[0], training)
        masks = masks_of_steps(token_mask, self.compute_dtype)

        def step(states, projected, *mask):
            return where_token(mask, self.advance(projected, states, state_mask, training), states)

        states = [ops.expand_dims(state, 1) for state in initial_state]
        sequences, states = recur(step, states, [projected_BTG, *masks], training, self.reverse)
        return sequences[0], [ops.squeeze(state, 1) for state in states]

    def project_inputs(self, inputs, training=False):
        """Projects inputs `(B, T, D)` to the gates `(B, T, gates)`, all positions at once."""
        projected = project(inputs, ops.cast(self.kernel, self.compute_dtype), training)
        if self.layer_norm:
            projected = self.input_norm(projected)
        bias = ops.cast(self.bias, self.compute_dtype)
        return projected + (bias[0] if len(self.bias.shape) == 2 else bias)

    def masks(self, batch_size, training=False):
        """Dropout masks for callers with their own loop, inside which none can be drawn.

        Returns:
            Factors for the inputs `(B, 1, D)` and for the state `(B, 1, U)`; None without
            dropout.
        """

        def draw(dropout, width):
            if not (training and dropout.rate):
                return None
            return dropout(
                ops.ones((batch_size, 1, width), dtype=self.compute_dtype), training=True
            )

        return draw(self.input_dropout, self.kernel.shape[0]), draw(self.state_dropout, self.units)

    def advance(self, projected, states, state_mask=None, training=False):
        """Runs one step.

        Args:
            projected: what `project_inputs` returned, one position of N hypotheses:
                `(B, N, gates)`.
            states: list of tensors `(B, N, U)`.
            state_mask: the second result of `masks`.
            training: see `project`.

        Returns:
            The list of new states; the first is the output.
        """
        hidden = states[0] if state_mask is None else states[0] * state_mask
        kernel = ops.cast(self.recurrent_kernel, self.compute_dtype)
        if self.cell == "lstm":
            gates = projected + self._recurrent(hidden, kernel, training)
            i, f, new, o = ops.split(gates, 4, axis=-1)
            memory = ops.sigmoid(f) * states[1] + ops.sigmoid(i) * ops.tanh(new)
            shown = self.cell_norm(memory) if self.layer_norm else memory
            return [ops.sigmoid(o) * ops.tanh(shown), memory]
        projected_z, projected_r, projected_h = ops.split(projected, 3, axis=-1)
        if self.reset_after:
            recurrent = self._recurrent(hidden, kernel, training)
            recurrent += ops.cast(self.bias, self.compute_dtype)[1]
            recurrent_z, recurrent_r, recurrent_h = ops.split(recurrent, 3, axis=-1)
            new = projected_h + ops.sigmoid(projected_r + recurrent_r) * recurrent_h
        else:
            gates = project(hidden, kernel[:, : 2 * self.units], training)
            recurrent_z, recurrent_r = ops.split(gates, 2, axis=-1)
            kept = ops.sigmoid(projected_r + recurrent_r) * hidden
            new = projected_h + project(kept, kernel[:, 2 * self.units :], training)
        new = ops.tanh(new)
        # z h + (1 - z) h'
        return [new + ops.sigmoid(projected_z + recurrent_z) * (states[0] - new)]

    def _recurrent(self, hidden, kernel, training):
        product = project(hidden, kernel, training)
        return self.recurrent_norm(product) if self.layer_norm else product

    def _may_fuse(self):
        if self.fused is None:
            return self._can_fuse and _has_gpu()
        return self.fused

    def _read_by_keras(self, inputs, initial_state, mask, training):
        """Runs over a sequence by the layer of Keras, which calls cuDNN if it can."""
        layer_class = keras.layers.GRU if self.cell == "gru" else keras.layers.LSTM
        layer = layer_class(
            self.units,
            return_sequences=True,
            return_state=True,
            go_backwards=self.reverse,
            dtype=self.dtype_policy,
        )
        layer.build(inputs.shape)
        if mask is not None:
            # cuDNN needs a token in every row, even in rows that only pad the batch.
            first = ops.equal(ops.arange(ops.shape(mask)[1]), 0)
            mask = ops.logical_or(mask, first)
        weights = [self.kernel, self.recurrent_kernel, self.bias]
        (outputs, *states), _ = layer.stateless_call(
            [weight.value for weight in weights],
            [variable.value for variable in layer.non_trainable_variables],
            inputs,
            mask=mask,
            initial_state=initial_state,
            training=training,
        )
        return ops.flip(outputs, axis=1) if self.reverse else outputs, states


def _has_gpu():
    # Keras calls cuDNN with these two only. All devices are listed, because JAX raises if it is
    # asked for GPUs and there are none.
    if keras.backend.backend() not in ("tensorflow", "jax"):
        return False
    return any(name.startswith("gpu") for name in keras.distribution.list_devices())


def masks_of_steps(token_mask, dtype):
    """A mask `(B, T)` as an input of `recur`: a list of one tensor `(B, T, 1)`; empty for None."""
    if token_mask is None:
        return []
    return [ops.expand_dims(ops.cast(token_mask, dtype), 2)]


def where_token(mask, new, old):
    """The new states at tokens, the old states at padding.

    Args:
        mask: one step of `masks_of_steps`: an empty list, or one tensor `(B, 1, 1)`.
        new: list of tensors `(B, 1, U)`.
        old: list of tensors of the same shapes.
    """
    if not mask:
        return new
    return [ops.where(mask[0] > 0, n, o) for n, o in zip(new, old, strict=True)]

"""A stack of recurrent layers that generates a sequence; the base of those with attention."""

from typing import Unpack

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import recur
from attention_zoo.layers.masks import KerasMask, join_masks
from attention_zoo.layers.options import StackOptions
from attention_zoo.layers.recurrent import masks_of_steps, where_token
from attention_zoo.layers.recurrent_stack import RecurrentStack


@keras.saving.register_keras_serializable("attention_zoo")
class RecurrentDecoder(RecurrentStack):
    r"""Stacked recurrent layers without attention, over a sequence or one position at a time.

    The decoder of Cho et al. 2014, section 2.2, and Sutskever et al. 2014: the initial state is
    all it knows of the source. `AdditiveDecoder` and `LuongDecoder` attend to the source, and
    are called in the same way.

    Args:
        width: size of the states D.
        num_layers: depth.
        **options: the options of `RecurrentStack`.

    Call arguments:
        inputs: float tensor `(B, T, E)`. At positions that Keras's mask of the inputs excludes
            the states do not change.
        memory: ignored; here for decoders with attention.
        initial_state: list of `num_states` tensors `(B, D)`, layer by layer; zeros when omitted.
        memory_mask: ignored.
        return_weights: must be False, since there are no attention weights.

    Returns:
        Float tensor `(B, T, D)`.

    Raises:
        ValueError: if attention weights are to be returned.

    Example:
        >>> RecurrentDecoder(6)(np.ones((1, 2, 3), "float32")).shape
        TensorShape([1, 2, 6])
    """

    def __init__(self, width, num_layers=1, **options: Unpack[StackOptions]):
        super().__init__(width, num_layers, **options)
        self.layers = [self._recurrent(f"layer_{i}", i) for i in range(num_layers)]
        self.keras_mask = KerasMask()
        # Size of the vector read by attention that the next step needs, if there is one.
        self.read_width = None

    @property
    def num_states(self):
        """Number of states of all layers together: one per layer for GRU, two for LSTM."""
        return self.num_layers * self.layers[0].num_states

    def _named(self, name):
        return {"dtype": self.dtype_policy, "name": name}

    @build_once
    def build(self, inputs_shape, memory_shape=None):
        """Builds the layers."""
        for i, layer in enumerate(self.layers):
            layer.build((None, None, self.width) if i else inputs_shape)

    def call(
        self,
        inputs,
        memory=None,
        initial_state=None,
        memory_mask=None,
        return_weights=False,
        training=False,
    ):
        """Decodes a whole sequence; see the class docstring."""
        if return_weights:
            raise ValueError(f"{self.name} has no attention weights to return")
        return self._run_layers(inputs, self._states(inputs, initial_state), training)

    def project_memory(self, memory):
        """The keys of a memory `(B, S, M)`, computed once per sentence; None without attention."""

    def start(self, initial_state, num_hypotheses=1):
        """Creates the cache of `step`.

        Args:
            initial_state: list of `num_states` tensors `(B, D)`.
            num_hypotheses: hypotheses N per sentence; an integer or a scalar tensor.

        Returns:
            A list of tensors `(B, N, ...)`: the states, and for a decoder whose steps depend on
            what attention read, the last layer's output and the vector read.
        """
        batch_size = ops.shape(initial_state[0])[0]
        zeros = ops.zeros((batch_size, num_hypotheses, 1), self.compute_dtype)
        cache = [ops.expand_dims(state, 1) + zeros for state in initial_state]
        if self.read_width:
            top = cache[-self.layers[-1].num_states]
            cache += [top, zeros + ops.zeros((1, 1, self.read_width), self.compute_dtype)]
        return cache

    def step(self, inputs, cache, keys=None, memory=None, memory_mask=None):
        """Decodes one position of N hypotheses per sentence.

        Args:
            inputs: float tensor `(B, N, E)`.
            cache: what `start` or the previous `step` returned.
            keys: what `project_memory` returned.
            memory: float tensor `(B, S, M)`.
            memory_mask: boolean tensor `(B, S)`, True = may attend.

        Returns:
            The output `(B, N, output_width)`, the new cache, and the attention weights
            `(B, N, S)`, None without attention.
        """
        hidden_BND, cache = self._step_layers(self.layers[0].project_inputs(inputs), cache)
        return hidden_BND, cache, None

    def _states(self, inputs, initial_state):
        if initial_state is None:
            zeros = ops.zeros((ops.shape(inputs)[0], self.width), dtype=self.compute_dtype)
            initial_state = [zeros] * self.num_states
        return initial_state

    def _attended(self, memory, memory_mask):
        """The last arguments of `MemoryAttention.attend`: keys, memory and mask."""
        mask = join_masks(memory_mask, self.keras_mask(memory))
        return self.project_memory(memory), memory, mask

    def _run_layers(self, inputs, states, training):
        """Runs each layer over the whole sequence, and returns the last layer's output."""
        hidden, mask = inputs, self.keras_mask(inputs)
        for i, layer in enumerate(self.layers):
            own, states = states[: layer.num_states], states[layer.num_states :]
            outputs = layer(hidden, initial_state=own, token_mask=mask, training=training)
            hidden = self._add_residual(outputs, hidden, i)
        return hidden

    def _run_steps(self, inputs, initial_state, attended, training):
        """Runs `_advance`, which a subclass defines, for one position after the other.

        Returns:
            The last layer's outputs `(B, T, D)` and what was read `(B, T, read_width)`.
        """
        projected_BTG = self.layers[0].project_inputs(inputs, training)
        dropout_masks = [layer.masks(ops.shape(inputs)[0], training) for layer in self.layers]

        def step(cache, projected_B1G, *mask):
            new_cache, _ = self._advance(cache, projected_B1G, attended, dropout_masks, training)
            return where_token(mask, new_cache, cache)

        masks = masks_of_steps(self.keras_mask(inputs), self.compute_dtype)
        cache = self.start(initial_state)
        sequences, _ = recur(step, cache, [projected_BTG, *masks], training)
        return sequences[-2:]

    def _step_layers(self, projected_BNG, states, dropout_masks=None, training=False):
        """Runs all layers for one position, and returns the last output and the new states."""
        hidden, new_states = None, []
        for i, layer in enumerate(self.layers):
            input_mask, state_mask = dropout_masks[i] if dropout_masks else (None, None)
            own, states = states[: layer.num_states], states[layer.num_states :]
            if i:
                inputs = hidden if input_mask is None else hidden * input_mask
                projected_BNG = layer.project_inputs(inputs, training)
            new = layer.advance(projected_BNG, own, state_mask, training)
            hidden = self._add_residual(new[0], hidden, i)
            new_states += new
        return hidden, new_states

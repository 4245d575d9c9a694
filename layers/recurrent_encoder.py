"""A stack of recurrent layers that reads a sentence in one or both directions."""

from typing import Unpack

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.masks import KerasMask, join_masks
from attention_zoo.layers.options import StackOptions
from attention_zoo.layers.recurrent_stack import RecurrentStack

_DIRECTIONS = ("all", "first", "none")


@keras.saving.register_keras_serializable("attention_zoo")
class RecurrentEncoder(RecurrentStack):
    r"""Stacked recurrent layers, optionally bidirectional and residual.

    A bidirectional layer (Schuster and Paliwal 1997; Bahdanau et al. 2015, section 3.2)
    reads the sentence in both directions, each with half of the width, and concatenates the
    outputs.

    Args:
        width: size of every layer's output D.
        num_layers: depth.
        bidirectional: which layers are: `"all"`, `"first"` (as in Wu et al. 2016) or `"none"`.
        **options: the options of `RecurrentStack`.

    Call arguments:
        inputs: float tensor `(B, S, E)`.
        token_mask: boolean tensor `(B, S)`, True where there is a token. The mask that Keras
            attaches to the inputs is combined with it.
        return_state: also return the final states.

    Returns:
        Float tensor `(B, S, D)`; with `return_state` a pair with the final states: a list with
        the states `(B, D)` of each layer, both directions concatenated.

    Raises:
        ValueError: if `bidirectional` is unknown, or the width is odd and must be halved.

    Example:
        >>> encoder = RecurrentEncoder(width=6, num_layers=2)
        >>> encoder(np.ones((2, 3, 4), "float32")).shape
        TensorShape([2, 3, 6])
    """

    def __init__(
        self, width, num_layers=1, *, bidirectional="all", **options: Unpack[StackOptions]
    ):
        super().__init__(width, num_layers, **options)
        if bidirectional not in _DIRECTIONS:
            raise ValueError(
                f"bidirectional must be one of {list(_DIRECTIONS)}, received {bidirectional!r}"
            )
        if bidirectional != "none" and width % 2:
            raise ValueError(f"a bidirectional encoder needs an even width, received {width}")
        self.bidirectional = bidirectional
        num_both = {"all": num_layers, "first": min(num_layers, 1), "none": 0}[bidirectional]
        self.forward_layers = [
            self._recurrent(f"forward_{i}", i, width // 2 if i < num_both else width)
            for i in range(num_layers)
        ]
        self.backward_layers = [
            self._recurrent(f"backward_{i}", i, width // 2, reverse=True) for i in range(num_both)
        ]
        self.keras_mask = KerasMask()

    @build_once
    def build(self, inputs_shape):
        """Builds the layers."""
        for layers in (self.forward_layers, self.backward_layers):
            for i, layer in enumerate(layers):
                layer.build((None, None, self.width) if i else inputs_shape)

    def call(self, inputs, token_mask=None, return_state=False, training=False):
        """Encodes; see the class docstring."""
        token_mask = join_masks(token_mask, self.keras_mask(inputs))
        options = {"token_mask": token_mask, "return_state": True, "training": training}
        hidden, final_states = inputs, []
        for i, forward in enumerate(self.forward_layers):
            outputs, states = forward(hidden, **options)
            if i < len(self.backward_layers):
                backward_outputs, backward_states = self.backward_layers[i](hidden, **options)
                outputs = ops.concatenate([outputs, backward_outputs], axis=-1)
                pairs = zip(states, backward_states, strict=True)
                states = [ops.concatenate(pair, axis=-1) for pair in pairs]
            hidden = self._add_residual(outputs, hidden, i)
            final_states.append(states)
        return (hidden, final_states) if return_state else hidden

    def compute_output_shape(self, inputs_shape):
        """The shape of the inputs with the new width."""
        return (*inputs_shape[:-1], self.width)

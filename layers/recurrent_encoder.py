"""A stack of recurrent layers that reads a sentence one way or both."""

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.masks import KerasMask, join_masks
from attention_zoo.layers.recurrent import Recurrent

_DIRECTIONS = ("all", "first", "none")


@keras.saving.register_keras_serializable("attention_zoo")
class RecurrentEncoder(keras.layers.Layer):
    r"""Recurrent layers on top of each other, bidirectional and residual if wanted.

    A bidirectional layer (Schuster and Paliwal 1997; Bahdanau et al. 2015, section 3.2)
    reads the sentence from both ends, half of the width each, and joins what they say.

    Args:
        width: of every layer's output D.
        num_layers: depth.
        bidirectional: which layers read both ways: `"all"`, `"first"` (as Wu et al. 2016)
            or `"none"`.
        residual: add the input of each layer from the second on to its output.
        dropout: on the input of each layer from the second on.
        **kwargs: the other options of `Recurrent`.

    Call arguments:
        inputs: float tensor `(B, S, E)`.
        token_mask: boolean tensor `(B, S)`, True where there is a token. The mask that
            Keras has attached to the inputs counts beside it.
        return_state: also return the last states.

    Returns:
        `(B, S, D)`, or a pair with a list that has for each layer a list of its last
        states `(B, D)`, both directions joined.

    Raises:
        ValueError: if `bidirectional` is unknown or halves an odd width.

    Example:
        >>> encoder = RecurrentEncoder(width=6, num_layers=2)
        >>> encoder(np.ones((2, 3, 4), "float32")).shape
        TensorShape([2, 3, 6])
    """

    def __init__(
        self,
        width,
        num_layers=1,
        bidirectional="all",
        residual=False,
        dropout=0.0,
        cell="gru",
        reset_after=True,
        recurrent_dropout=0.0,
        variational=False,
        layer_norm=False,
        fused=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        if bidirectional not in _DIRECTIONS:
            raise ValueError(
                f"bidirectional must be one of {list(_DIRECTIONS)}, received {bidirectional!r}"
            )
        if bidirectional != "none" and width % 2:
            raise ValueError(f"both directions share the width: it must be even, received {width}")
        self.width = width
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.residual = residual
        self.dropout = dropout
        self.cell = cell
        self.reset_after = reset_after
        self.recurrent_dropout = recurrent_dropout
        self.variational = variational
        self.layer_norm = layer_norm
        self.fused = fused
        both_ways = [
            bidirectional == "all" or (bidirectional == "first" and i == 0)
            for i in range(num_layers)
        ]
        self.forward_layers = [
            self._recurrent(f"forward_{i}", i, both) for i, both in enumerate(both_ways)
        ]
        self.backward_layers = [
            self._recurrent(f"backward_{i}", i, True, reverse=True)
            for i, both in enumerate(both_ways)
            if both
        ]
        self.keras_mask = KerasMask()

    def _recurrent(self, name, i, both, reverse=False):
        return Recurrent(
            self.width // 2 if both else self.width,
            self.cell,
            self.reset_after,
            reverse,
            dropout=self.dropout if i else 0.0,
            recurrent_dropout=self.recurrent_dropout,
            variational=self.variational,
            layer_norm=self.layer_norm,
            fused=self.fused,
            dtype=self.dtype_policy,
            name=name,
        )

    @build_once
    def build(self, inputs_shape):
        """Builds the layers."""
        for layers in (self.forward_layers, self.backward_layers):
            for i, layer in enumerate(layers):
                layer.build((None, None, self.width) if i else inputs_shape)

    def call(self, inputs, token_mask=None, return_state=False, training=False):
        """Reads; see the class docstring."""
        token_mask = join_masks(token_mask, self.keras_mask(inputs))
        options = {"token_mask": token_mask, "return_state": True, "training": training}
        hidden, last = inputs, []
        for i, forward in enumerate(self.forward_layers):
            outputs, states = forward(hidden, **options)
            if i < len(self.backward_layers):
                other, other_states = self.backward_layers[i](hidden, **options)
                outputs = ops.concatenate([outputs, other], axis=-1)
                pairs = zip(states, other_states, strict=True)
                states = [ops.concatenate(pair, axis=-1) for pair in pairs]
            hidden = outputs + hidden if self.residual and i else outputs
            last.append(states)
        return (hidden, last) if return_state else hidden

    def compute_output_shape(self, inputs_shape):
        """The shape of the inputs with the new width."""
        return (*inputs_shape[:-1], self.width)

    def get_config(self):
        """All constructor arguments."""
        return {
            **super().get_config(),
            "width": self.width,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "residual": self.residual,
            "dropout": self.dropout,
            "cell": self.cell,
            "reset_after": self.reset_after,
            "recurrent_dropout": self.recurrent_dropout,
            "variational": self.variational,
            "layer_norm": self.layer_norm,
            "fused": self.fused,
        }

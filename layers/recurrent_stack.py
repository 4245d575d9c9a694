"""What stacks of recurrent layers have in common: options, and the layers made from them."""

from attention_zoo.layers.layer import Layer
from attention_zoo.layers.options import CellOptions, options_of
from attention_zoo.layers.recurrent import Recurrent


class RecurrentStack(Layer):
    """The base class of `RecurrentEncoder` and the decoders.

    Args:
        width: size of every layer's output D.
        num_layers: depth.
        residual: add each layer's input to its output, from the second layer on.
        dropout: rate on each layer's input, from the second layer on.
        cell: see `Recurrent`, as the following.
        reset_after: see `Recurrent`.
        recurrent_dropout: see `Recurrent`.
        variational: see `Recurrent`.
        layer_norm: see `Recurrent`.
        fused: see `Recurrent`.
    """

    def __init__(
        self,
        width,
        num_layers=1,
        *,
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
        self.width = width
        self.num_layers = num_layers
        self.residual = residual
        self.dropout = dropout
        self.cell = cell
        self.reset_after = reset_after
        self.recurrent_dropout = recurrent_dropout
        self.variational = variational
        self.layer_norm = layer_norm
        self.fused = fused

    def _recurrent(self, name, index, units=None, reverse=False):
        return Recurrent(
            units or self.width,
            reverse=reverse,
            dropout=self.dropout if index else 0.0,
            **options_of(self, CellOptions),
            name=name,
        )

    def _add_residual(self, outputs, inputs, index):
        return outputs + inputs if self.residual and index else outputs

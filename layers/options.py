"""Options that several layers take as keyword arguments and pass on.

`**options: Unpack[BlockOptions]` in a signature lets editors and type checkers see the names;
the default values are in the constructor that the options are passed on to.
"""

from typing import Any, Literal, TypedDict


class LayerOptions(TypedDict, total=False):
    """The arguments of every Keras layer."""

    name: str
    trainable: bool
    dtype: Any


class BlockOptions(LayerOptions, total=False):
    """The options of `EncoderBlock` and `DecoderBlock`, explained in `EncoderBlock`."""

    activation: Any
    norm: Literal["post", "pre"]
    dropout: float
    attention_dropout: float
    activation_dropout: float
    attention_bias: bool
    epsilon: float


class CellOptions(LayerOptions, total=False):
    """The options of recurrent cells, explained in `Recurrent`."""

    cell: Literal["gru", "lstm"]
    reset_after: bool
    recurrent_dropout: float
    variational: bool
    layer_norm: bool
    fused: bool | None


class StackOptions(CellOptions, total=False):
    """The options of stacks of recurrent layers, explained in `RecurrentStack`."""

    residual: bool
    dropout: float


def options_of(layer, options):
    """The options among the attributes of a layer or model, to pass them on.

    Args:
        layer: a layer or model that has each option as an attribute; its dtype policy is
            passed on too, its name is not.
        options: one of the classes above.

    Returns:
        A dict of keyword arguments.

    Example:
        >>> from attention_zoo.layers import Recurrent
        >>> options_of(Recurrent(4, "lstm", fused=False), CellOptions)["cell"]
        'lstm'
    """
    names = [name for name in options.__annotations__ if name not in LayerOptions.__annotations__]
    return {"dtype": layer.dtype_policy} | {name: getattr(layer, name) for name in names}

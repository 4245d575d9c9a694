"""An example of every layer, for the tests of what all layers have in common."""

import inspect
from dataclasses import dataclass, field

import numpy as np

from attention_zoo import layers
from attention_zoo.testing import LayerCase

B, T, H, S, E, K, F, V = 2, 3, 4, 5, 6, 7, 11, 13
D = H * K
SIZES = {"B": B, "T": T, "S": S, "E": E, "F": F, "K": K, "D": D}

BLOCK = {
    "num_heads": H,
    "feed_forward_width": F,
    "activation": "gelu",
    "norm": "pre",
    "dropout": 0.1,
    "attention_dropout": 0.2,
    "activation_dropout": 0.3,
    "attention_bias": False,
    "epsilon": 1e-3,
}
ATTENTION = {"num_heads": H, "dropout": 0.2, "use_bias": False}
NORM = 2 * D
FEED_FORWARD = (D * F + F) + (F * D + D)


@dataclass(frozen=True)
class Example:
    """Arguments that are no defaults, the axes of the inputs, and the number of weights."""

    layer: str
    arguments: dict
    inputs: dict
    parameters: int = 0
    options: dict = field(default_factory=dict)

    def case(self):
        """The layer with inputs, for `attention_zoo.testing`."""
        causal = self.options.get("causal", self.layer.endswith("DecoderBlock"))
        layer_class = getattr(layers, self.layer)
        return LayerCase(lambda: layer_class(**self.arguments), self.draw(), causal, self.options)

    def make(self, **changes):
        """A layer with weights."""
        return self.case().make(**changes)

    def draw(self):
        rng = np.random.default_rng(3)
        draws = {
            "int32": lambda shape: rng.integers(0, V, shape, "int32"),
            "bool": lambda shape: np.ones(shape, bool),
            "float32": lambda shape: rng.normal(size=shape).astype("float32"),
        }
        return {
            name: draws[dtype(name)]([SIZES[axis] for axis in axes])
            for name, axes in self.inputs.items()
        }


def dtype(name):
    return "int32" if name.endswith("ids") else "bool" if name.endswith("mask") else "float32"


EXAMPLES = {
    "AddNorm, post": Example(
        "AddNorm",
        {"norm": "post", "dropout": 0.1, "epsilon": 1e-3},
        {"residual": "BTD", "output": "BTD"},
        NORM,
    ),
    "AddNorm, pre": Example("AddNorm", {"norm": "pre"}, {"residual": "BTD", "output": "BTD"}, NORM),
    "AdditiveAttention": Example(
        "AdditiveAttention",
        {"units": F, "dropout": 0.1},
        {"query": "BTD", "memory": "BSE", "attention_mask": "BS"},
        D * F + E * F + F,
    ),
    "AdditiveDecoder": Example(
        "AdditiveDecoder",
        {"width": F, "num_layers": 2, "residual": True, "dropout": 0.1, "recurrent_dropout": 0.2},
        {"inputs": "BTD", "memory": "BSE", "memory_mask": "BS"},
        3 * (D * F + F * F + 2 * F)
        + 3 * (F * F + F * F + 2 * F)
        + (F * F + E * F + F)
        + E * 3 * F
        + (F + E + D) * F,
    ),
    "AdditiveDecoder, narrow": Example(
        "AdditiveDecoder",
        {
            "width": F,
            "output_width": K,
            "cell": "lstm",
            "layer_norm": True,
            "variational": True,
        },
        {"inputs": "BTD", "memory": "BSE", "memory_mask": "BS"},
        4 * (D * F + F * F + F)
        + (2 * 2 * 4 * F + 2 * F)
        + (F * F + E * F + F)
        + E * 4 * F
        + (F + E + D) * K,
    ),
    "AdditiveDecoder, gru of the paper": Example(
        "AdditiveDecoder",
        {"width": F, "reset_after": False, "fused": False},
        {"inputs": "BTD", "memory": "BSE", "memory_mask": "BS"},
        3 * (D * F + F * F + F) + (F * F + E * F + F) + E * 3 * F + (F + E + D) * F,
    ),
    "LuongDecoder": Example(
        "LuongDecoder",
        {
            "width": F,
            "num_layers": 2,
            "residual": True,
            "dropout": 0.1,
            "recurrent_dropout": 0.2,
            "score": "dot",
            "reset_after": False,
            "fused": False,
            "output_width": K,
        },
        {"inputs": "BTD", "memory": "BSF", "memory_mask": "BS"},
        3 * (D * F + F * F + F) + 3 * (F * F + F * F + F) + 2 * F * K,
    ),
    "LuongDecoder, fed": Example(
        "LuongDecoder",
        {
            "width": F,
            "input_feeding": True,
            "cell": "lstm",
            "layer_norm": True,
            "variational": True,
        },
        {"inputs": "BTD", "memory": "BSE", "memory_mask": "BS"},
        4 * (D * F + F * F + F) + 2 * 2 * 4 * F + 2 * F + E * F + F * 4 * F + (F + E) * F,
    ),
    "DecoderBlock": Example(
        "DecoderBlock",
        BLOCK,
        {"inputs": "BTD", "memory": "BSE", "attention_mask": "BT", "memory_mask": "BS"},
        (3 * D * D + D * D) + (D * D + 2 * E * D + D * D) + FEED_FORWARD + 3 * NORM,
    ),
    "DecoderBlock, defaults": Example(
        "DecoderBlock",
        {"num_heads": H, "feed_forward_width": F},
        {"inputs": "BTD", "memory": "BSE"},
        (4 * D * D + 4 * D) + (2 * D * D + 2 * E * D + 4 * D) + FEED_FORWARD + 3 * NORM,
    ),
    "EncoderBlock": Example(
        "EncoderBlock",
        BLOCK,
        {"inputs": "BTD", "attention_mask": "BT"},
        4 * D * D + FEED_FORWARD + 2 * NORM,
    ),
    "EncoderBlock, defaults": Example(
        "EncoderBlock",
        {"num_heads": H, "feed_forward_width": F},
        {"inputs": "BTD"},
        4 * D * D + 4 * D + FEED_FORWARD + 2 * NORM,
    ),
    "FeedForward": Example(
        "FeedForward",
        {"inner_width": F, "activation": "gelu", "dropout": 0.2},
        {"inputs": "BTD"},
        FEED_FORWARD,
    ),
    "LearnedPositionalEncoding": Example(
        "LearnedPositionalEncoding", {"max_length": 9}, {"inputs": "BTD"}, 9 * D
    ),
    "Linear": Example(
        "Linear",
        {"width": E, "use_bias": False, "kernel_initializer": "lecun_uniform"},
        {"inputs": "BTD"},
        D * E,
    ),
    "Linear, defaults": Example("Linear", {"width": E}, {"inputs": "BTD"}, D * E + E),
    "LuongAttention, general": Example(
        "LuongAttention",
        {"dropout": 0.1},
        {"query": "BTD", "memory": "BSE", "attention_mask": "BS"},
        E * D,
    ),
    "LuongAttention, concat": Example(
        "LuongAttention",
        {"score": "concat"},
        {"query": "BTD", "memory": "BSE", "attention_mask": "BS"},
        D * D + E * D + D,
    ),
    "LuongAttention, dot": Example(
        "LuongAttention",
        {"score": "dot"},
        {"query": "BTK", "memory": "BSK", "attention_mask": "BS"},
    ),
    "MultiHeadAttention, self": Example(
        "MultiHeadAttention", ATTENTION, {"query": "BTD", "attention_mask": "BT"}, 4 * D * D
    ),
    "MultiHeadAttention, causal": Example(
        "MultiHeadAttention",
        {"num_heads": H},
        {"query": "BTD", "attention_mask": "BT"},
        4 * D * D + 4 * D,
        {"causal": True},
    ),
    "MultiHeadAttention, cross": Example(
        "MultiHeadAttention",
        {"num_heads": H},
        {"query": "BTD", "memory": "BSE", "attention_mask": "BS"},
        (D * D + D) + (2 * E * D + 2 * D) + (D * D + D),
    ),
    "Recurrent, gru": Example(
        "Recurrent",
        {"units": F, "dropout": 0.1, "recurrent_dropout": 0.2, "variational": True},
        {"inputs": "BTD", "token_mask": "BT"},
        3 * (D * F + F * F + 2 * F),
    ),
    "Recurrent, gru of the paper": Example(
        "Recurrent",
        {"units": F, "reset_after": False, "fused": False},
        {"inputs": "BTD", "token_mask": "BT"},
        3 * (D * F + F * F + F),
    ),
    "Recurrent, lstm": Example(
        "Recurrent",
        {"units": F, "cell": "lstm", "reverse": True, "layer_norm": True},
        {"inputs": "BTD", "token_mask": "BT"},
        4 * (D * F + F * F + F) + 2 * 2 * 4 * F + 2 * F,
    ),
    "RecurrentDecoder": Example(
        "RecurrentDecoder",
        {
            "width": D,
            "num_layers": 2,
            "residual": True,
            "dropout": 0.1,
            "cell": "lstm",
            "recurrent_dropout": 0.2,
            "variational": True,
            "layer_norm": True,
        },
        {"inputs": "BTD"},
        2 * (4 * (D * D + D * D + D) + 2 * 2 * 4 * D + 2 * D),
    ),
    "RecurrentDecoder, gru of the paper": Example(
        "RecurrentDecoder",
        {"width": K, "reset_after": False, "fused": False},
        {"inputs": "BTD"},
        3 * (D * K + K * K + K),
    ),
    "RecurrentEncoder": Example(
        "RecurrentEncoder",
        {
            "width": D,
            "num_layers": 2,
            "bidirectional": "first",
            "residual": True,
            "dropout": 0.1,
            "cell": "lstm",
            "recurrent_dropout": 0.2,
            "variational": True,
            "layer_norm": True,
        },
        {"inputs": "BTD", "token_mask": "BT"},
        2 * (4 * (D * D // 2 + D // 2 * D // 2 + D // 2) + 2 * 2 * 2 * D + D)
        + (4 * (D * D + D * D + D) + 2 * 2 * 4 * D + 2 * D),
    ),
    "RecurrentEncoder, gru of the paper": Example(
        "RecurrentEncoder",
        {"width": K, "bidirectional": "none", "reset_after": False, "fused": False},
        {"inputs": "BTD", "token_mask": "BT"},
        3 * (D * K + K * K + K),
    ),
    "SSRU": Example("SSRU", {}, {"inputs": "BTD"}, 2 * D * D + D, {"causal": True}),
    "SSRUDecoderBlock": Example(
        "SSRUDecoderBlock",
        BLOCK,
        {"inputs": "BTD", "memory": "BSE", "memory_mask": "BS"},
        2 * D * D + D + (2 * D * D + 2 * E * D) + FEED_FORWARD + 3 * NORM,
    ),
    "ScaledDotProductAttention": Example(
        "ScaledDotProductAttention",
        {"dropout": 0.1},
        {"query": "BTK", "key": "BSK", "value": "BSE", "attention_mask": "BS"},
    ),
    "SinusoidalPositionalEncoding": Example(
        "SinusoidalPositionalEncoding", {"max_length": 9, "layout": "marian"}, {"inputs": "BTD"}
    ),
    "TokenEmbedding": Example(
        "TokenEmbedding", {"vocab_size": V, "width": D, "scale": False}, {"token_ids": "BT"}, V * D
    ),
    "TokenEmbedding, output bias": Example(
        "TokenEmbedding",
        {"vocab_size": V, "width": D, "output_bias": True},
        {"token_ids": "BT"},
        V * D + V,
    ),
}
LAYERS = {name: getattr(layers, name) for name in layers.__all__}
LAYERS = {name: layer for name, layer in LAYERS.items() if inspect.isclass(layer)}

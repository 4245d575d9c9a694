"""Keras layers of attention, pure `keras.ops`: they run on every Keras backend.

The axes, named once for the whole code base. Intermediates of rank three and
more carry them as a suffix (`scores_BHTS`), einsum strings use the same letters:

    B  batch                    H  heads
    T  query (target) length    K  width of one head
    S  key (source) length      F  width of the feed-forward layer
    D  width of the model       V  vocabulary
    N  hypotheses a sentence (beam size; 1 in greedy search)
    L  slots of a fixed-shape cache

Masks are boolean and say where attention may go: True = may attend. Those that Keras
attaches to tensors, as `keras.layers.Embedding(mask_zero=True)` does, count beside those
that a layer is given, and are handed on.

The import of this package registers the layers with Keras, as `attention_zoo>EncoderBlock`
and so on; `import attention_zoo` alone does not. Then `keras.models.load_model` reads files
of models that have them, with no further argument and no code from the file.
"""

from attention_zoo.layers.add_norm import AddNorm
from attention_zoo.layers.additive_attention import AdditiveAttention
from attention_zoo.layers.additive_decoder import AdditiveDecoder

# Not public; imported so that Keras can read decoders from files of version 0.1.
from attention_zoo.layers.attention_decoder import choose_decoder as choose_decoder
from attention_zoo.layers.decoder_block import DecoderBlock
from attention_zoo.layers.dot_attention import ScaledDotProductAttention
from attention_zoo.layers.encoder_block import EncoderBlock
from attention_zoo.layers.feed_forward import FeedForward
from attention_zoo.layers.functional import (
    additive_scores,
    causal_mask,
    dot_scores,
    gelu_tanh,
    padding_mask,
    project,
    recur,
    scaled_dot_product_attention,
    sinusoid,
)
from attention_zoo.layers.linear import Linear
from attention_zoo.layers.luong_attention import LuongAttention
from attention_zoo.layers.luong_decoder import LuongDecoder
from attention_zoo.layers.multi_head_attention import MultiHeadAttention
from attention_zoo.layers.positional_encoding import (
    LearnedPositionalEncoding,
    SinusoidalPositionalEncoding,
)
from attention_zoo.layers.recurrent import Recurrent
from attention_zoo.layers.recurrent_decoder import RecurrentDecoder
from attention_zoo.layers.recurrent_encoder import RecurrentEncoder
from attention_zoo.layers.token_embedding import TokenEmbedding

__all__ = [
    "AddNorm",
    "AdditiveAttention",
    "AdditiveDecoder",
    "DecoderBlock",
    "EncoderBlock",
    "FeedForward",
    "LearnedPositionalEncoding",
    "Linear",
    "LuongAttention",
    "LuongDecoder",
    "MultiHeadAttention",
    "Recurrent",
    "RecurrentDecoder",
    "RecurrentEncoder",
    "ScaledDotProductAttention",
    "SinusoidalPositionalEncoding",
    "TokenEmbedding",
    "additive_scores",
    "causal_mask",
    "dot_scores",
    "gelu_tanh",
    "padding_mask",
    "project",
    "recur",
    "scaled_dot_product_attention",
    "sinusoid",
]

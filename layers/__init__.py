"""Keras layers for attention models, written in `keras.ops` to run on every backend.

Axes have the same letters throughout the code: as suffixes of tensors of rank three and more
(`scores_BHTS`), and in einsum strings.

    B  batch                    H  heads
    T  query (target) length    K  width of a head
    S  key (source) length      F  width of the feed-forward layer
    D  width of the model       V  vocabulary
    N  hypotheses per sentence (beam size; 1 in greedy search)
    L  slots of a fixed-shape cache

Masks are boolean: True = may attend. Masks that Keras attaches to tensors, as
`keras.layers.Embedding(mask_zero=True)` does, are combined with mask arguments and passed on.

Importing this package registers the layers with Keras, as `attention_zoo>EncoderBlock` and so
on (`import attention_zoo` alone does not). `keras.models.load_model` then reads models that
contain them, without `custom_objects` and without running code from the file.
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
    segment_mask,
    segment_positions,
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
from attention_zoo.layers.ssru import SSRU
from attention_zoo.layers.ssru_decoder_block import SSRUDecoderBlock
from attention_zoo.layers.token_embedding import TokenEmbedding

__all__ = [
    "SSRU",
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
    "SSRUDecoderBlock",
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
    "segment_mask",
    "segment_positions",
    "sinusoid",
]

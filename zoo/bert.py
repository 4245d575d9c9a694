"""BERT: a bidirectional encoder (Devlin et al. 2019)."""

import keras
from keras import ops

from attention_zoo.layers import (
    EncoderBlock,
    LearnedPositionalEncoding,
    Linear,
    TokenEmbedding,
    padding_mask,
)
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.feed_forward import activation_function
from attention_zoo.zoo.model import PresetModel


@keras.saving.register_keras_serializable("attention_zoo")
class Bert(PresetModel):
    r"""Bidirectional text encoder, pre-trained to predict masked tokens.

    "BERT: Pre-training of Deep Bidirectional Transformers" (Devlin et al. 2019),
    section 3: the sum of token, position and segment embeddings, layer normalisation, then
    post-norm blocks. The pooler, a linear map and tanh of the first state (`[CLS]`), is the
    input of next-sentence prediction.

    Args:
        vocab_size: number of token ids.
        width: of the states D (the paper's hidden size).
        num_blocks: depth (the paper's L).
        num_heads: attention heads (A).
        embedding_width: width of the embeddings, if it is another one: a linear map follows
            (Clark et al. 2020, section 3.2, as in ELECTRA-Small).
        feed_forward_width: inner width of the feed-forward networks; 4 times the width
            when omitted.
        max_length: longest sequence, in tokens.
        num_segments: number of segment ids.
        activation: of the feed-forward networks: `"gelu"`, exact, or `"gelu_tanh"`.
        dropout: rate on the embeddings and the output of each sub-layer.
        attention_dropout: rate on the attention weights.
        epsilon: of the layer normalisation.
        pooler: whether there is a pooler.
        pooler_activation: `"tanh"` in BERT; `"relu"` in DistilBERT, `"gelu"` in ELECTRA.

    Call arguments:
        inputs: a dict of integer tensors `(B, T)`: `token_ids`, and optionally `segment_ids`
            (zeros when omitted) and `mask` (not 0 = may be attended to; all ids but 0 when
            omitted). Or `token_ids` alone.

    Returns:
        A dict: `states (B, T, D)`, and with a pooler `pooled (B, D)`.

    Example:
        >>> model = Bert(100, width=16, num_blocks=1, num_heads=2)
        >>> outputs = model({"token_ids": np.array([[2, 7, 3]])})
        >>> outputs["states"].shape, outputs["pooled"].shape
        (TensorShape([1, 3, 16]), TensorShape([1, 16]))
    """

    def __init__(
        self,
        vocab_size=30522,
        *,
        width=768,
        num_blocks=12,
        num_heads=12,
        embedding_width=None,
        feed_forward_width=None,
        max_length=512,
        num_segments=2,
        activation="gelu",
        dropout=0.1,
        attention_dropout=0.1,
        epsilon=1e-12,
        pooler=True,
        pooler_activation="tanh",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.width = width
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.embedding_width = embedding_width
        self.feed_forward_width = feed_forward_width or 4 * width
        self.max_length = max_length
        self.num_segments = num_segments
        self.activation = activation
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.epsilon = epsilon
        self.pooler = pooler
        self.pooler_activation = pooler_activation
        self._make_layers()
        self.build()

    def _make_layers(self):
        policy = {"dtype": self.dtype_policy}
        width = self.embedding_width or self.width
        self.token_embedding = TokenEmbedding(
            self.vocab_size, width, scale=False, **policy, name="token_embedding"
        )
        self.segment_embedding = TokenEmbedding(
            self.num_segments, width, scale=False, **policy, name="segment_embedding"
        )
        self.position = LearnedPositionalEncoding(self.max_length, **policy, name="position")
        self.embedding_norm = keras.layers.LayerNormalization(
            epsilon=self.epsilon, **policy, name="embedding_norm"
        )
        self.embedding_dropout = keras.layers.Dropout(self.dropout, **policy)
        self.embedding_projection = (
            Linear(self.width, **policy, name="embedding_projection")
            if self.embedding_width
            else None
        )
        self.blocks = [
            EncoderBlock(
                self.num_heads,
                self.feed_forward_width,
                activation=self.activation,
                dropout=self.dropout,
                attention_dropout=self.attention_dropout,
                epsilon=self.epsilon,
                **policy,
                name=f"block_{i}",
            )
            for i in range(self.num_blocks)
        ]
        self.pooler_projection = (
            Linear(self.width, **policy, name="pooler") if self.pooler else None
        )

    @build_once
    def build(self, input_shape=None):
        """Creates all weights, initialised as in the original code."""
        embedded = (None, None, self.embedding_width or self.width)
        for layer in (self.position, self.embedding_norm, self.embedding_projection):
            if layer is not None:
                layer.build(embedded)
        for layer in self.layers:
            if not layer.built:
                layer.build((None, None, self.width))
        draw_bert_weights(self)

    def call(self, inputs, training=False):
        """Encodes; see the class docstring."""
        states_BTD = self._encode(inputs)[0][-1]
        outputs = {"states": states_BTD}
        if self.pooler:
            first_B1D = ops.expand_dims(states_BTD[:, 0], 1)
            first_B1D = self.pooler_projection(first_B1D, training=training)
            pooled_B1D = activation_function(self.pooler_activation)(first_B1D)
            outputs["pooled"] = ops.squeeze(pooled_B1D, 1)
        return outputs

    def hidden_states(self, inputs):
        """The outputs of the embeddings and of each block, a list of tensors `(B, T, D)`."""
        return self._encode(inputs)[0]

    def attention_weights(self, inputs):
        """The attention weights of all blocks, `(B, blocks, H, T, S)`."""
        return ops.stack(self._encode(inputs)[1], axis=1)

    def _encode(self, inputs):
        token_ids, segment_ids, mask = split_inputs(inputs)
        hidden_BTD = self.token_embedding(token_ids) + self.segment_embedding(segment_ids)
        hidden_BTD = self.embedding_norm(self.position(hidden_BTD))
        hidden_BTD = self.embedding_dropout(hidden_BTD)
        if self.embedding_projection is not None:
            hidden_BTD = self.embedding_projection(hidden_BTD)
        states, weights = [hidden_BTD], []
        for block in self.blocks:
            hidden_BTD, weights_BHTS = block(hidden_BTD, attention_mask=mask, return_weights=True)
            states.append(hidden_BTD)
            weights.append(weights_BHTS)
        return states, weights


def split_inputs(inputs):
    """Token ids, segment ids and boolean mask from the inputs of an encoder."""
    if not isinstance(inputs, dict):
        inputs = {"token_ids": inputs}
    token_ids = inputs["token_ids"]
    segment_ids = inputs.get("segment_ids")
    mask = inputs.get("mask")
    return (
        token_ids,
        ops.zeros_like(token_ids) if segment_ids is None else segment_ids,
        padding_mask(token_ids) if mask is None else ops.not_equal(mask, 0),
    )


def draw_bert_weights(model):
    """Draws kernels and tables from a truncated normal distribution, standard deviation 0.02.

    See `create_initializer` in `modeling.py` of google-research/bert.
    """
    for variable in model.trainable_variables:
        if variable.name in ("kernel", "table"):
            draw = keras.initializers.TruncatedNormal(stddev=0.02)
            variable.assign(draw(variable.shape, variable.dtype))

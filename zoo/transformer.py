"""The Transformer, "Attention Is All You Need" (Vaswani et al. 2017)."""

import functools

import keras
from keras import ops

from attention_zoo.layers import (
    DecoderBlock,
    EncoderBlock,
    LearnedPositionalEncoding,
    Linear,
    SinusoidalPositionalEncoding,
    SSRUDecoderBlock,
    TokenEmbedding,
    padding_mask,
    segment_mask,
    segment_positions,
)
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.options import BlockOptions, options_of
from attention_zoo.zoo.model import Seq2SeqModel, gather_hypotheses

_POSITIONS = {
    "sinusoidal": SinusoidalPositionalEncoding,
    "learned": LearnedPositionalEncoding,
    "sinusoidal_halves": functools.partial(SinusoidalPositionalEncoding, layout="halves"),
    "sinusoidal_marian": functools.partial(SinusoidalPositionalEncoding, layout="marian"),
}
_DECODER_BLOCKS = {None: DecoderBlock, "ssru": SSRUDecoderBlock}


@keras.saving.register_keras_serializable("attention_zoo")
class Transformer(Seq2SeqModel):
    r"""Encoder-decoder based on attention alone.

    "Attention Is All You Need" (Vaswani et al. 2017), section 3. The defaults are the paper's
    base model: post-norm, relu, sinusoidal positions, one matrix for both embeddings and the
    output. Dropout is applied to the output of each sub-layer and to the sums of embedding and
    position, as in section 5.4.

    Args:
        source_vocab_size: number of source ids.
        target_vocab_size: number of target ids; the source's when omitted.
        width: width of the model D (the paper's d_model).
        num_heads: attention heads H.
        feed_forward_width: inner width F of the feed-forward networks (d_ff).
        num_encoder_blocks: depth of the encoder.
        num_decoder_blocks: depth of the decoder.
        share_embeddings: use one embedding for source and target, which then have one
            vocabulary.
        tie_output: use the transposed target embedding as the output projection; otherwise it
            is a separate matrix.
        output_bias: whether the logits have a bias (not in the paper; Marian's models have one).
        scale_embeddings: multiply embeddings by sqrt(width), as the paper does.
        embedding_norm: normalise the sums of embedding and position (not in the paper).
        positions: `"sinusoidal"` as in the paper; `"sinusoidal_halves"` or `"sinusoidal_marian"`,
            see `sinusoid`; or `"learned"`.
        max_length: longest source or target, in tokens.
        decoder_recurrence: `"ssru"` to have an `SSRU` in place of self-attention in the decoder
            (Kim et al. 2019); None for the paper's self-attention. A row cannot then hold several
            examples.
        activation: of the feed-forward networks, see `FeedForward`.
        norm: `"post"` as in the paper, or `"pre"` (with a final normalisation).
        dropout: the paper's P_drop.
        attention_dropout: rate on the attention weights (0 in the paper).
        activation_dropout: rate inside the feed-forward networks (0 in the paper).
        attention_bias: whether the attention's projections have biases (not in the paper).
        epsilon: of the layer normalisation.

    Call arguments:
        inputs: a pair of integer tensors: `source_ids (B, S)` and `target_ids (B, T)`,
            the target with the start id in front. Id 0 is padding. If a row holds several
            examples, two more say which ids belong together: `source_segments (B, S)` and
            `target_segments (B, T)`, 1 for the first example, 2 for the second and so on, 0 for
            padding. Their attention stays apart, and positions count anew in each.

    Returns:
        Logits `(B, T, V)` of the token after each target position.

    Raises:
        ValueError: if embeddings are shared between vocabularies of different sizes, or
            `positions` or `decoder_recurrence` is unknown.

    Example:
        >>> model = Transformer(100, width=16, num_heads=2, feed_forward_width=32,
        ...                     num_encoder_blocks=1, num_decoder_blocks=1)
        >>> model([np.array([[5, 6, 3]]), np.array([[2, 7]])]).shape
        TensorShape([1, 2, 100])
    """

    def __init__(
        self,
        source_vocab_size,
        target_vocab_size=None,
        *,
        width=512,
        num_heads=8,
        feed_forward_width=2048,
        num_encoder_blocks=6,
        num_decoder_blocks=6,
        share_embeddings=True,
        tie_output=True,
        output_bias=False,
        scale_embeddings=True,
        embedding_norm=False,
        positions="sinusoidal",
        max_length=256,
        decoder_recurrence=None,
        activation="relu",
        norm="post",
        dropout=0.1,
        attention_dropout=0.0,
        activation_dropout=0.0,
        attention_bias=False,
        epsilon=1e-6,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.source_vocab_size = source_vocab_size
        self.target_vocab_size = target_vocab_size or source_vocab_size
        self.width = width
        self.num_heads = num_heads
        self.feed_forward_width = feed_forward_width
        self.num_encoder_blocks = num_encoder_blocks
        self.num_decoder_blocks = num_decoder_blocks
        self.share_embeddings = share_embeddings
        self.tie_output = tie_output
        self.output_bias = output_bias
        self.scale_embeddings = scale_embeddings
        self.embedding_norm = embedding_norm
        self.positions = positions
        self.max_length = max_length
        self.decoder_recurrence = decoder_recurrence
        self.activation = activation
        self.norm = norm
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.activation_dropout = activation_dropout
        self.attention_bias = attention_bias
        self.epsilon = epsilon
        self._check_shared_embeddings()
        for name, known in (("positions", _POSITIONS), ("decoder_recurrence", _DECODER_BLOCKS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {list(known)}, received {getattr(self, name)!r}"
                )
        self._make_layers()
        self.build([(None, None), (None, None)])

    @property
    def takes_segments(self):
        """Whether a row can hold several examples: a recurrence would run across them."""
        return self.decoder_recurrence is None

    def _make_layers(self):
        block = {
            "num_heads": self.num_heads,
            "feed_forward_width": self.feed_forward_width,
            **options_of(self, BlockOptions),
        }
        self.target_embedding = self._embedding("target_embedding", self.target_vocab_size)
        self.source_embedding = (
            self.target_embedding
            if self.share_embeddings
            else self._embedding("source_embedding", self.source_vocab_size)
        )
        position = {"max_length": self.max_length, "dtype": self.dtype_policy}
        position_class = _POSITIONS[self.positions]
        self.source_position = position_class(**position, name="source_position")
        self.target_position = position_class(**position, name="target_position")
        self.source_norm = self._norm("source_norm") if self.embedding_norm else None
        self.target_norm = self._norm("target_norm") if self.embedding_norm else None
        self.source_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.target_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        self.encoder_blocks = [
            EncoderBlock(**block, name=f"encoder_block_{i}") for i in range(self.num_encoder_blocks)
        ]
        block_class = _DECODER_BLOCKS[self.decoder_recurrence]
        self.decoder_blocks = [
            block_class(**block, name=f"decoder_block_{i}") for i in range(self.num_decoder_blocks)
        ]
        # Post-norm blocks end with a normalisation; pre-norm stacks need one after the last.
        is_pre = self.norm == "pre"
        self.encoder_norm = self._norm("encoder_norm") if is_pre else None
        self.decoder_norm = self._norm("decoder_norm") if is_pre else None
        self.output_projection = (
            None
            if self.tie_output
            else Linear(
                self.target_vocab_size,
                use_bias=self.output_bias,
                dtype=self.dtype_policy,
                name="output_projection",
            )
        )

    def _embedding(self, name, vocab_size):
        return TokenEmbedding(
            vocab_size,
            self.width,
            self.scale_embeddings,
            output_bias=self.output_bias and self.tie_output and name == "target_embedding",
            dtype=self.dtype_policy,
            name=name,
        )

    def _norm(self, name):
        return keras.layers.LayerNormalization(
            epsilon=self.epsilon, dtype=self.dtype_policy, name=name
        )

    @build_once
    def build(self, input_shape):
        """Creates all weights; their shapes do not depend on the inputs."""
        hidden_shape = (None, None, self.width)
        for layer in self.layers:
            if isinstance(layer, DecoderBlock):
                layer.build(hidden_shape, hidden_shape)
            elif not layer.built:
                layer.build(hidden_shape)

    def call(self, inputs, training=False):
        """Teacher forcing; see the class docstring."""
        hidden_BTD = self._decode(*inputs)
        return self._logits(hidden_BTD, training)

    def attention_weights(self, inputs):
        """The cross-attention weights of all decoder blocks, `(B, blocks, H, T, S)`."""
        return self.attention_maps(inputs)["cross"]

    def attention_maps(self, inputs):
        """See `Seq2SeqModel`; `encoder` and `decoder` are self-attention."""
        maps = {"encoder": [], "decoder": [], "cross": []}
        self._decode(*inputs, maps=maps)
        return {
            name: ops.stack(weights, axis=1)
            for name, weights in maps.items()
            if weights and weights[0] is not None
        }

    def _decode(
        self, source_ids, target_ids, source_segments=None, target_segments=None, maps=None
    ):
        """The decoder's states; attention weights are appended to the lists in `maps`."""
        hidden_BSD, memory_mask = self._encode(source_ids, source_segments, maps)
        positions = mask = None
        if target_segments is not None:
            positions = segment_positions(target_segments)
            mask = segment_mask(target_segments, target_segments)
            memory_mask = segment_mask(target_segments, source_segments)
        hidden_BTD = self.target_position(self.target_embedding(target_ids), positions)
        if self.target_norm:
            hidden_BTD = self.target_norm(hidden_BTD)
        hidden_BTD = self.target_dropout(hidden_BTD)
        for block in self.decoder_blocks:
            hidden_BTD, cross_BHTS, self_BHTT = block(
                hidden_BTD, hidden_BSD, mask, memory_mask, return_weights="all"
            )
            if maps is not None:
                maps["cross"].append(cross_BHTS)
                maps["decoder"].append(self_BHTT)
        return hidden_BTD

    def _encode(self, source_ids, segments=None, maps=None):
        positions = None
        mask = padding_mask(source_ids)
        if segments is not None:
            positions = segment_positions(segments)
            mask = segment_mask(segments, segments)
        hidden_BSD = self.source_position(self.source_embedding(source_ids), positions)
        if self.source_norm:
            hidden_BSD = self.source_norm(hidden_BSD)
        hidden_BSD = self.source_dropout(hidden_BSD)
        for block in self.encoder_blocks:
            hidden_BSD, weights_BHSS = block(hidden_BSD, attention_mask=mask, return_weights=True)
            if maps is not None:
                maps["encoder"].append(weights_BHSS)
        return self.encoder_norm(hidden_BSD) if self.encoder_norm else hidden_BSD, mask

    def _logits(self, hidden, training=False):
        if self.decoder_norm:
            hidden = self.decoder_norm(hidden)
        if self.tie_output:
            return self.target_embedding.logits(hidden, training)
        return self.output_projection(hidden)

    def encode(self, source_ids):
        """Encodes the source, and projects keys and values for every decoder block.

        Args:
            source_ids: integer tensor `(B, S)`, 0 is padding.

        Returns:
            A dict: `mask (B, S)`, and `key_i`, `value_i` `(B, H, S, K)` of block i.
        """
        hidden_BSD, mask = self._encode(source_ids)
        memory = {"mask": mask}
        for i, block in enumerate(self.decoder_blocks):
            projected = block.cross_attention.project_memory(hidden_BSD)
            memory[f"key_{i}"], memory[f"value_{i}"] = projected
        return memory

    def start(self, memory, max_length, num_hypotheses=1):
        """Creates an empty cache.

        Args:
            memory: what `encode` returned.
            max_length: largest number of steps.
            num_hypotheses: hypotheses N per sentence; an integer or a scalar tensor.

        Returns:
            A list: the ancestry `(B, N, max_length)`, then keys and values
            `(B, H, max_length * N, K)` of each block's self-attention; or the states `(B, N, D)`
            of its recurrence.

        Raises:
            ValueError: if the model has fewer positions than steps.
        """
        if isinstance(max_length, int) and max_length > self.max_length:
            raise ValueError(
                f"max_length must be at most {self.max_length}, the model's; received {max_length}"
            )
        batch_size = ops.shape(memory["mask"])[0]
        cache = [ops.zeros((batch_size, num_hypotheses, max_length), dtype="int32")]
        for block in self.decoder_blocks:
            cache += block.start_cache(batch_size, max_length, num_hypotheses)
        return cache

    def step(self, token_ids, position, cache, memory):
        """Decodes one position of N hypotheses per sentence.

        Hypotheses share a cache that is never reordered. `ancestry[n, l]` is the index, among
        the N slots of position l, of the one that holds the past of hypothesis n. As a mask
        over all slots this makes attention N times as expensive, which is cheap here, but
        saves moving the caches at every step.

        Args:
            token_ids: integer tensor `(B, N)`, the last token of each hypothesis.
            position: int32 scalar, 0 for the start token.
            cache: what `start`, the previous `step` or `reorder` returned.
            memory: what `encode` returned.

        Returns:
            Logits `(B, N, V)` of the next token, the new cache, and the cross-attention
            weights of the last block, averaged over heads, `(B, N, S)`.
        """
        ancestry_BNL, *caches = cache
        hypotheses = ops.shape(token_ids)[1]
        ancestry_BNL, mask_BNL = self._descend(ancestry_BNL, position)
        hidden_BND = self.target_position.step(self.target_embedding(token_ids), position)
        if self.target_norm:
            hidden_BND = self.target_norm(hidden_BND)
        new_cache = [ancestry_BNL]
        size = len(caches) // max(1, self.num_decoder_blocks)  # tensors of a block
        for i, block in enumerate(self.decoder_blocks):
            hidden_BND, block_cache, weights_BHNS = block.step(
                hidden_BND,
                caches[size * i : size * (i + 1)],
                position * hypotheses,
                mask_BNL,
                (memory[f"key_{i}"], memory[f"value_{i}"]),
                memory["mask"],
            )
            new_cache += block_cache
        return self._logits(hidden_BND), new_cache, ops.mean(weights_BHNS, axis=1)

    def _descend(self, ancestry_BNL, position):
        """Records that each hypothesis writes its own slot, and computes the mask of slots."""
        _, hypotheses, max_length = ops.shape(ancestry_BNL)
        own_N1 = ops.expand_dims(ops.arange(hypotheses, dtype="int32"), 1)
        steps_L = ops.arange(max_length, dtype="int32")
        ancestry_BNL = ops.where(ops.equal(steps_L, position), own_N1, ancestry_BNL)
        past_L1 = ops.expand_dims(ops.less_equal(steps_L, position), 1)
        slot_BNLN = ops.equal(
            ops.expand_dims(ancestry_BNL, 3), ops.arange(hypotheses, dtype="int32")
        )
        mask_BNLN = ops.logical_and(slot_BNLN, past_L1)
        return ancestry_BNL, ops.reshape(mask_BNLN, (-1, hypotheses, max_length * hypotheses))

    def reorder(self, cache, parents_BN):
        """Reorders the ancestry, and states; keys and values stay where they are."""
        ancestry_BNL, *caches = cache
        if self.decoder_recurrence:
            caches = [gather_hypotheses(state_BND, parents_BN) for state_BND in caches]
        return [gather_hypotheses(ancestry_BNL, parents_BN), *caches]

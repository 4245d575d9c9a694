"""The recurrent encoder-decoder with attention."""

import keras
from keras import ops

from attention_zoo.layers import (
    Linear,
    RecurrentEncoder,
    TokenEmbedding,
    padding_mask,
)
from attention_zoo.layers.attention_decoder import choose_decoder
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.luong_attention import score_name
from attention_zoo.layers.options import StackOptions, options_of
from attention_zoo.zoo.model import Seq2SeqModel

_INITIAL_STATES = ("projected", "last", "zero")


@keras.saving.register_keras_serializable("attention_zoo")
class RNNAttention(Seq2SeqModel):
    r"""GRU or LSTM encoder-decoder with attention to the encoder's outputs.

    `attention="additive"` is Bahdanau et al. 2015, `"luong"` is Luong et al. 2015, and `"none"`
    is Cho et al. 2014, where the decoder only gets the encoder's final state. The equations are
    in `AdditiveDecoder` and `LuongDecoder`. The logits are a linear map of the decoder's output.

    Args:
        source_vocab_size: number of source ids.
        target_vocab_size: number of target ids; the source's when omitted.
        width: size of the states D; a bidirectional layer has half of it in each direction.
        embedding_width: size of the embeddings E; the width when omitted.
        cell: `"gru"` or `"lstm"`.
        reset_after: see `Recurrent`.
        num_encoder_layers: depth of the encoder.
        num_decoder_layers: depth of the decoder.
        bidirectional: which layers of the encoder are, see `RecurrentEncoder`.
        residual: add each layer's input to its output, from the second layer on.
        initial_state: of the decoder: `"projected"`, a linear map and tanh of the final state of
            the encoder's last layer; `"last"`, the final state of the same layer; or `"zero"`.
        attention: `"additive"`, `"luong"` or `"none"`.
        score: of Luong's attention, see `LuongAttention`.
        input_feeding: see `LuongDecoder`.
        share_embeddings: use one embedding for source and target, which then have one
            vocabulary.
        tie_output: use the transposed target embedding as the output projection.
        dropout: rate on embeddings, between layers, and before the output.
        recurrent_dropout: see `Recurrent`.
        variational: use one dropout mask for all positions (Gal and Ghahramani 2016).
        layer_norm: see `Recurrent`.
        fused: see `Recurrent`.
        max_length: longest source or target of a task; the model itself has no limit.

    Call arguments:
        inputs: a pair of integer tensors: `source_ids (B, S)` and `target_ids (B, T)`,
            the target with the start id in front. Id 0 is padding.

    Returns:
        Logits `(B, T, V)` of the token after each target position.

    Raises:
        ValueError: if a choice is unknown, or options are incompatible.

    Example:
        >>> model = RNNAttention(100, width=16)
        >>> model([np.array([[5, 6, 3]]), np.array([[2, 7]])]).shape
        TensorShape([1, 2, 100])
    """

    def __init__(
        self,
        source_vocab_size,
        target_vocab_size=None,
        *,
        width=256,
        embedding_width=None,
        cell="gru",
        reset_after=True,
        num_encoder_layers=1,
        num_decoder_layers=1,
        bidirectional="all",
        residual=False,
        initial_state="projected",
        attention="additive",
        score="general",
        input_feeding=False,
        share_embeddings=False,
        tie_output=False,
        dropout=0.1,
        recurrent_dropout=0.0,
        variational=False,
        layer_norm=False,
        fused=None,
        max_length=256,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.source_vocab_size = source_vocab_size
        self.target_vocab_size = target_vocab_size or source_vocab_size
        self.width = width
        self.embedding_width = embedding_width or width
        self.cell = cell
        self.reset_after = reset_after
        self.num_encoder_layers = num_encoder_layers
        self.num_decoder_layers = num_decoder_layers
        self.bidirectional = bidirectional
        self.residual = residual
        self.initial_state = initial_state
        self.attention = attention
        self.score = score
        self.input_feeding = input_feeding
        self.share_embeddings = share_embeddings
        self.tie_output = tie_output
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.variational = variational
        self.layer_norm = layer_norm
        self.fused = fused
        self.max_length = max_length
        self._check_shared_embeddings()
        if initial_state not in _INITIAL_STATES:
            raise ValueError(
                f"initial_state must be one of {list(_INITIAL_STATES)}, received {initial_state!r}"
            )
        self._make_layers()
        self.build([(None, None), (None, None)])

    def _make_layers(self):
        self.target_embedding = self._embedding("target_embedding", self.target_vocab_size)
        self.source_embedding = (
            self.target_embedding
            if self.share_embeddings
            else self._embedding("source_embedding", self.source_vocab_size)
        )
        recurrent = options_of(self, StackOptions)
        self.encoder = RecurrentEncoder(
            self.width,
            self.num_encoder_layers,
            bidirectional=self.bidirectional,
            **recurrent,
            name="encoder",
        )
        self.output_width = self.embedding_width if self.tie_output else self.width
        decoder_class, arguments = choose_decoder(
            self.attention,
            width=self.width,
            num_layers=self.num_decoder_layers,
            score=self.score,
            input_feeding=self.input_feeding,
            output_width=self.output_width,
            **recurrent,
            name="decoder",
        )
        self.decoder = decoder_class(**arguments)
        self.state_projections = [
            Linear(self.width, **self._named(f"state_projection_{i}"))
            for i in range(self.decoder.num_states)
            if self.initial_state == "projected"
        ]
        self.output_projection = (
            None
            if self.tie_output
            else Linear(self.target_vocab_size, **self._named("output_projection"))
        )
        self.source_dropout, self.target_dropout, self.output_dropout = (
            keras.layers.Dropout(
                self.dropout, (None, 1, None) if self.variational else None, **self._named(name)
            )
            for name in ("source_dropout", "target_dropout", "output_dropout")
        )

    def _named(self, name):
        return {"dtype": self.dtype_policy, "name": name}

    def _embedding(self, name, vocab_size):
        return TokenEmbedding(vocab_size, self.embedding_width, scale=False, **self._named(name))

    @build_once
    def build(self, input_shape):
        """Creates all weights; their shapes do not depend on the inputs."""
        hidden, embedded = (None, None, self.width), (None, None, self.embedding_width)
        for layer in self.layers:
            if layer is self.decoder:
                layer.build(embedded, hidden)
            elif layer is self.output_projection:
                layer.build((None, None, self.output_width))
            else:
                layer.build(embedded if layer is self.encoder else hidden)

    @property
    def attends(self):
        """Whether the model has attention weights."""
        return self.attention != "none"

    def get_config(self):
        """All constructor arguments; a score function by its registered name."""
        return {**super().get_config(), "score": score_name(self.score)}

    def call(self, inputs, training=False):
        """Teacher forcing; see the class docstring."""
        return self._logits(self._decode(inputs, training), training)

    def attention_weights(self, inputs):
        """The attention weights `(B, 1, 1, T, S)`, as of one block with one head.

        Raises:
            ValueError: if the model has no attention.
        """
        if not self.attends:
            raise ValueError("a model with attention='none' has no attention weights")
        _, weights_BTS = self._decode(inputs, return_weights=True)
        return ops.expand_dims(ops.expand_dims(weights_BTS, 1), 1)

    def _decode(self, inputs, training=False, **options):
        source_ids, target_ids = inputs
        hidden_BSD, states, mask = self._encode(source_ids, training)
        embedded_BTE = self.target_dropout(self.target_embedding(target_ids), training=training)
        return self.decoder(
            embedded_BTE, hidden_BSD, states, memory_mask=mask, training=training, **options
        )

    def _encode(self, source_ids, training=False):
        """The encoder's outputs `(B, S, D)`, the decoder's initial states, and the mask."""
        mask = padding_mask(source_ids)
        embedded_BSE = self.source_dropout(self.source_embedding(source_ids), training=training)
        hidden_BSD, last = self.encoder(
            embedded_BSE, token_mask=mask, return_state=True, training=training
        )
        return hidden_BSD, self._initial_states(last), mask

    def _initial_states(self, last):
        """The decoder's initial states, from the encoder's final states of each layer."""
        layers = [last[min(i, len(last) - 1)] for i in range(self.num_decoder_layers)]
        if self.initial_state == "projected":
            layers = [last[-1]] * self.num_decoder_layers
        states = [state for layer in layers for state in layer]
        if self.initial_state == "zero":
            return [ops.zeros_like(state) for state in states]
        if self.initial_state == "last":
            return states
        projections = zip(self.state_projections, states, strict=True)
        return [
            ops.tanh(ops.squeeze(projection(ops.expand_dims(state, 1)), 1))
            for projection, state in projections
        ]

    def _logits(self, hidden, training=False):
        hidden = self.output_dropout(hidden, training=training)
        if self.tie_output:
            return self.target_embedding.logits(hidden, training)
        return self.output_projection(hidden)

    def encode(self, source_ids):
        """Encodes the source, and computes the attention keys and the decoder's initial states.

        Args:
            source_ids: integer tensor `(B, S)`, 0 is padding.

        Returns:
            A dict: `mask (B, S)`, `state_i (B, D)`, and with attention `keys (B, S, A)`
            and `values (B, S, D)`.
        """
        hidden_BSD, states, mask = self._encode(source_ids)
        memory = {"mask": mask} | {f"state_{i}": state for i, state in enumerate(states)}
        if self.attends:
            memory["keys"] = self.decoder.project_memory(hidden_BSD)
            memory["values"] = hidden_BSD
        return memory

    def start(self, memory, max_length, num_hypotheses=1):
        """Creates the cache, with the initial states of every hypothesis.

        Args:
            memory: what `encode` returned.
            max_length: ignored; states do not grow.
            num_hypotheses: hypotheses N per sentence; an integer or a scalar tensor.

        Returns:
            A list of tensors `(B, N, ...)`, see `RecurrentDecoder.start`.
        """
        states = [memory[f"state_{i}"] for i in range(self.decoder.num_states)]
        return self.decoder.start(states, num_hypotheses)

    def step(self, token_ids, position, cache, memory):
        """Decodes one position of N hypotheses per sentence.

        Args:
            token_ids: integer tensor `(B, N)`, the last token of each hypothesis.
            position: ignored.
            cache: what `start`, the previous `step` or `reorder` returned.
            memory: what `encode` returned.

        Returns:
            Logits `(B, N, V)` of the next token, the new cache, and the attention
            weights `(B, N, S)`; zeros for a model without attention.
        """
        outputs_BND, cache, weights_BNS = self.decoder.step(
            self.target_embedding(token_ids),
            cache,
            memory.get("keys"),
            memory.get("values"),
            memory["mask"],
        )
        if weights_BNS is None:
            zeros_BS = ops.zeros_like(memory["mask"], dtype=self.compute_dtype)
            weights_BNS = ops.expand_dims(zeros_BS, 1) + ops.zeros_like(outputs_BND[:, :, :1])
        return self._logits(outputs_BND), cache, weights_BNS

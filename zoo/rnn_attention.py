"""The recurrent encoder-decoder, with attention so that no single vector holds the sentence."""

import keras
from keras import ops

from attention_zoo.layers import (
    AdditiveAttention,
    Linear,
    LuongAttention,
    Recurrent,
    RecurrentEncoder,
    TokenEmbedding,
    padding_mask,
    recur,
)
from attention_zoo.zoo.model import Seq2SeqModel

_CHOICES = {
    "initial_state": ("projected", "last", "zero"),
    "attention": ("additive", "luong", "none"),
}


class RNNAttention(Seq2SeqModel):
    r"""GRU or LSTM encoder-decoder whose decoder attends to the encoder's outputs.

    Where the attention stands is the papers' difference:

        additive  Bahdanau et al. 2015: before the cell, from the state before, and what
                  is read enters the cell:     c_t = attend(h_{t-1}), h_t = cell(y, c_t)
                  a_t = tanh(W [h_t; c_t; y])
        luong     Luong et al. 2015: after the cell, from the new state:
                                               h_t = cell(y), c_t = attend(h_t)
                  a_t = tanh(W [h_t; c_t])     equation 5, the attentional vector
        none      Cho et al. 2014: the encoder's last state is all that the decoder gets

    The logits are a linear map of a_t (`none`: of h_t). Bahdanau's readout is a maxout
    layer where ours is tanh, as in later systems.

    Args:
        source_vocab_size: number of source ids.
        target_vocab_size: number of target ids; the source's when omitted.
        width: width of the states; a bidirectional layer has half of it each way.
        embedding_width: of the embeddings; the width when omitted.
        cell: `"gru"` or `"lstm"`.
        reset_after: see `Recurrent`.
        num_encoder_layers: depth of the encoder.
        num_decoder_layers: depth of the decoder.
        bidirectional: which layers of the encoder read both ways, see `RecurrentEncoder`.
        residual: add the input of each layer from the second on to its output.
        initial_state: of the decoder: `"projected"` from the encoder's last states
            through tanh, `"last"`, the state of the same layer, or `"zero"`.
        attention: `"additive"`, `"luong"` or `"none"`.
        score: Luong's, see `LuongAttention`: a name, a function, or the name of a
            registered function.
        input_feeding: Luong's attentional vector enters the next step (section 3.3).
        share_embeddings: one embedding for both sides; needs one vocabulary for both.
        tie_output: the output projection is the target embedding, transposed.
        dropout: on embeddings, between layers, and before the output.
        recurrent_dropout: see `Recurrent`.
        variational: one dropout mask for all positions (Gal and Ghahramani 2016). Where
            the decoder attends before the cell or feeds its input it is always so.
        layer_norm: see `Recurrent`.
        fused: see `Recurrent`.
        max_length: longest sequence on either side, for the task; the model has no limit.

    Call arguments:
        inputs: a pair of integer tensors: `source_ids (B, S)` and `target_ids (B, T)`,
            the target as the decoder sees it, that is with the start id in front.
            Id 0 is padding.

    Returns:
        Logits `(B, T, V)` of the token after each target position.

    Raises:
        ValueError: if a choice is unknown, or options exclude each other.

    Example:
        >>> model = RNNAttention(100, width=16)
        >>> model([np.array([[5, 6, 3]]), np.array([[2, 7]])]).shape
        TensorShape([1, 2, 100])
    """

    def __init__(
        self,
        source_vocab_size,
        target_vocab_size=None,
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
        self._check()
        # Whether a step needs what the step before has read: then steps come one by one.
        self._is_sequential = attention == "additive" or input_feeding
        self._make_layers()
        self.build([(None, None), (None, None)])

    def _check(self):
        for name, accepted in _CHOICES.items():
            if getattr(self, name) not in accepted:
                raise ValueError(
                    f"{name} must be one of {list(accepted)}, received {getattr(self, name)!r}"
                )
        self._check_shared_embeddings()
        if self.input_feeding and self.attention != "luong":
            raise ValueError(
                f"input_feeding feeds Luong's attentional vector: it needs attention='luong', "
                f"received attention={self.attention!r}"
            )
        if self.tie_output and self.attention == "none" and self.embedding_width != self.width:
            raise ValueError(
                "tie_output without attention needs embedding_width=width, received "
                f"{self.embedding_width} and {self.width}"
            )

    # Building

    def _make_layers(self):
        self.target_embedding = self._embedding("target_embedding", self.target_vocab_size)
        self.source_embedding = (
            self.target_embedding
            if self.share_embeddings
            else self._embedding("source_embedding", self.source_vocab_size)
        )
        recurrent = {
            "cell": self.cell,
            "reset_after": self.reset_after,
            "recurrent_dropout": self.recurrent_dropout,
            "variational": self.variational,
            "layer_norm": self.layer_norm,
            "fused": self.fused,
        }
        self.encoder = RecurrentEncoder(
            self.width,
            self.num_encoder_layers,
            self.bidirectional,
            self.residual,
            self.dropout,
            **recurrent,
            **self._named("encoder"),
        )
        self.decoder_layers = [
            Recurrent(
                self.width,
                dropout=self.dropout if i else 0.0,  # embeddings have a dropout of their own
                **recurrent,
                **self._named(f"decoder_{i}"),
            )
            for i in range(self.num_decoder_layers)
        ]
        first = self.decoder_layers[0]
        self.state_projections = [
            Linear(self.width, **self._named(f"state_projection_{i}"))
            for i in range(self.num_decoder_layers * first.num_states)
            if self.initial_state == "projected"
        ]
        self.attention_layer = self._attention()
        self.feed_projection = self.readout = self.output_projection = None
        if self._is_sequential:
            # One matrix of the cell's input would hold this one below the embedding's.
            self.feed_projection = Linear(
                first.gates, use_bias=False, **self._named("feed_projection")
            )
        if self.attention_layer:
            self.readout = Linear(self._readout_width, use_bias=False, **self._named("readout"))
        if not self.tie_output:
            self.output_projection = Linear(
                self.target_vocab_size, **self._named("output_projection")
            )
        self.source_dropout, self.target_dropout, self.output_dropout = (
            keras.layers.Dropout(
                self.dropout, (None, 1, None) if self.variational else None, **self._named(name)
            )
            for name in ("source_dropout", "target_dropout", "output_dropout")
        )

    @property
    def _readout_width(self):
        return self.embedding_width if self.tie_output else self.width

    @property
    def _fed_width(self):
        return self._readout_width if self.input_feeding else self.width

    def _named(self, name):
        return {"dtype": self.dtype_policy, "name": name}

    def _embedding(self, name, vocab_size):
        return TokenEmbedding(vocab_size, self.embedding_width, scale=False, **self._named(name))

    def _attention(self):
        if self.attention == "additive":
            return AdditiveAttention(self.width, **self._named("attention"))
        if self.attention == "luong":
            return LuongAttention(self.score, **self._named("attention"))
        return None

    def build(self, input_shape):
        """Makes every weight; their shapes do not depend on the input's."""
        hidden, embedded = (None, None, self.width), (None, None, self.embedding_width)
        for layer in {id(e): e for e in (self.source_embedding, self.target_embedding)}.values():
            layer.build()
        self.encoder.build(embedded)
        for i, layer in enumerate(self.decoder_layers):
            layer.build(hidden if i else embedded)
        for layer in self.state_projections:
            layer.build(hidden)
        if self.attention_layer:
            self.attention_layer.build(hidden, hidden)
            parts = [self.width, self.width]
            if self.attention == "additive":
                parts.append(self.embedding_width)
            self.readout.build((None, None, sum(parts)))
        if self.feed_projection:
            self.feed_projection.build((None, None, self._fed_width))
        if self.output_projection:
            self.output_projection.build((None, None, self._readout_width))

    @property
    def attends(self):
        """Whether the model has attention weights to show."""
        return self.attention != "none"

    def get_config(self):
        """All constructor arguments; a function that scores by its registered name."""
        score = self.attention_layer.get_config()["score"] if callable(self.score) else self.score
        return {**super().get_config(), "score": score}

    # Teacher forcing

    def call(self, inputs, training=False):
        """Teacher forcing; see the class docstring."""
        source_ids, target_ids = inputs
        memory = self.encode(source_ids, training)
        embedded_BTE = self.target_dropout(self.target_embedding(target_ids), training=training)
        hidden_BTD, feed_BTD = self._read_target(embedded_BTE, memory, training)
        if self._is_sequential:
            read = feed_BTD
        elif self.attention_layer:
            read, _ = self._attend(hidden_BTD, memory)
        else:
            read = None
        return self._logits(hidden_BTD, read, embedded_BTE, training)

    def attention_weights(self, inputs):
        """Where the decoder looks: weights `(B, 1, 1, T, S)`, one block of one head.

        Raises:
            ValueError: if the model has no attention.
        """
        if not self.attends:
            raise ValueError(
                "the model has no attention weights: it was made with attention='none'"
            )
        source_ids, target_ids = inputs
        memory = self.encode(source_ids)
        hidden_BTD, _ = self._read_target(self.target_embedding(target_ids), memory)
        if self.attention == "additive":  # it looks before the cell, from the state before
            top, _ = self._start(memory, 1)[-2:]
            hidden_BTD = ops.concatenate([top, hidden_BTD[:, :-1]], axis=1)
        _, weights_BTS = self._attend(hidden_BTD, memory)
        return ops.expand_dims(ops.expand_dims(weights_BTS, 1), 1)

    def encode(self, source_ids, training=False):
        """Reads the source, projects the keys, and makes the decoder's first states.

        Args:
            source_ids: integer tensor `(B, S)`, 0 is padding.
            training: whether dropout is on.

        Returns:
            A dict: `mask (B, S)`, `state_i (B, D)`, and with attention `keys (B, S, A)`
            and `values (B, S, D)`.
        """
        mask = padding_mask(source_ids)
        embedded_BSE = self.source_dropout(self.source_embedding(source_ids), training=training)
        hidden_BSD, last = self.encoder(
            embedded_BSE, token_mask=mask, return_state=True, training=training
        )
        memory = {"mask": mask}
        if self.attention_layer:
            memory["keys"] = self.attention_layer.project_memory(hidden_BSD)
            memory["values"] = hidden_BSD
        first_states = self._first_states(last)
        return memory | {f"state_{i}": state for i, state in enumerate(first_states)}

    def _first_states(self, last):
        """The decoder's states, layer after layer, from the encoder's: tensors `(B, D)`."""
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

    def _read_target(self, embedded_BTE, memory, training=False):
        """The decoder's outputs `(B, T, D)`, and what `_advance` fed on, `(B, T, D)` or None."""
        if not self._is_sequential:
            hidden_BTD, states = embedded_BTE, self._states(memory)
            for i, layer in enumerate(self.decoder_layers):
                own, states = states[: layer.num_states], states[layer.num_states :]
                outputs = layer(hidden_BTD, initial_state=own, training=training)
                hidden_BTD = self._join(outputs, hidden_BTD, i)
            return hidden_BTD, None
        projected_BTG = self.decoder_layers[0].project_inputs(embedded_BTE, training)
        batch_size = ops.shape(embedded_BTE)[0]
        masks = [layer.masks(batch_size, training) for layer in self.decoder_layers]

        def step(carried, projected_B1G):
            return self._advance(carried, projected_B1G, memory, masks, training)[0]

        sequences, _ = recur(step, self._start(memory, 1), [projected_BTG], training)
        return sequences[-2:]

    def _states(self, memory):
        number = self.num_decoder_layers * self.decoder_layers[0].num_states
        return [memory[f"state_{i}"] for i in range(number)]

    # One position at a time

    def start(self, memory, max_length, num_hypotheses=1):
        """Makes the cache: the first states of every hypothesis.

        Args:
            memory: what `encode` returned.
            max_length: of no concern here; the state does not grow.
            num_hypotheses: hypotheses N a sentence; an integer or a scalar tensor.

        Returns:
            A list of tensors `(B, N, D)`: the states of each layer; where a step needs
            what the one before has read, also the last layer's output and that.
        """
        return self._start(memory, num_hypotheses)

    def _start(self, memory, num_hypotheses):
        states = self._states(memory)
        copies = ops.zeros((ops.shape(memory["mask"])[0], num_hypotheses, 1), self.compute_dtype)
        carried = [ops.expand_dims(state, 1) + copies for state in states]
        if self._is_sequential:
            top = carried[-self.decoder_layers[-1].num_states]
            carried += [top, copies + ops.zeros((1, 1, self._fed_width), self.compute_dtype)]
        return carried

    def step(self, token_ids, position, cache, memory):
        """Decodes one position of N hypotheses a sentence.

        Args:
            token_ids: integer tensor `(B, N)`, the last token of each hypothesis.
            position: of no concern here.
            cache: what `start`, the last `step` or `reorder` returned.
            memory: what `encode` returned.

        Returns:
            Logits `(B, N, V)` of the next token, the new cache, and the attention
            weights `(B, N, S)`; zeros for a model without attention.
        """
        embedded_BNE = self.target_embedding(token_ids)
        projected_BNG = self.decoder_layers[0].project_inputs(embedded_BNE)
        cache, hidden_BND, read_BND, weights_BNS = self._advance(cache, projected_BNG, memory)
        if weights_BNS is None:
            unseen = ops.zeros_like(memory["mask"], dtype=self.compute_dtype)
            weights_BNS = ops.expand_dims(unseen, 1) + ops.zeros_like(hidden_BND[:, :, :1])
        return self._logits(hidden_BND, read_BND, embedded_BNE), cache, weights_BNS

    def _advance(self, carried, projected_BNG, memory, masks=None, training=False):
        """One step of all layers.

        Returns:
            What to carry on, the last layer's output, what was read (the context, or the
            attentional vector if that is fed), and the attention weights.
        """
        read = weights = None
        if self._is_sequential:
            *carried, hidden, read = carried
            if self.attention == "additive":
                read, weights = self._attend(hidden, memory)
            projected_BNG = projected_BNG + self.feed_projection(read)
        hidden, states = None, []
        for i, layer in enumerate(self.decoder_layers):
            input_mask, state_mask = masks[i] if masks else (None, None)
            own, carried = carried[: layer.num_states], carried[layer.num_states :]
            if i:
                inputs = hidden if input_mask is None else hidden * input_mask
                projected_BNG = layer.project_inputs(inputs, training)
            new = layer.advance(projected_BNG, own, state_mask, training)
            hidden = self._join(new[0], hidden, i)
            states += new
        if self.attention == "luong":
            read, weights = self._attend(hidden, memory)
            if self.input_feeding:
                read = self._attentional([hidden, read])
        return states + [hidden, read] * self._is_sequential, hidden, read, weights

    def _attend(self, query, memory):
        return self.attention_layer.attend(query, memory["keys"], memory["values"], memory["mask"])

    def _attentional(self, parts):
        return ops.tanh(self.readout(ops.concatenate(parts, axis=-1)))

    def _join(self, outputs, inputs, i):
        return outputs + inputs if self.residual and i else outputs

    def _logits(self, hidden, read, embedded, training=False):
        if self.attention == "additive":
            hidden = self._attentional([hidden, read, embedded])
        elif self.input_feeding:
            hidden = read
        elif self.attention == "luong":
            hidden = self._attentional([hidden, read])
        hidden = self.output_dropout(hidden, training=training)
        if self.tie_output:
            return self.target_embedding.logits(hidden, training)
        return self.output_projection(hidden)

"""Recurrent layers that attend to a memory while they write, before the cell or after it."""

import keras
from keras import ops

from attention_zoo.layers.additive_attention import AdditiveAttention
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import recur
from attention_zoo.layers.linear import Linear
from attention_zoo.layers.luong_attention import LuongAttention
from attention_zoo.layers.masks import KerasMask, join_masks
from attention_zoo.layers.recurrent import Recurrent, masks_of_steps, where_token

_ATTENTION = ("additive", "luong", "none")


@keras.saving.register_keras_serializable("attention_zoo")
class AttentionDecoder(keras.layers.Layer):
    r"""Recurrent layers with attention, for whole sequences or one position at a time.

    Where the attention stands is the papers' difference; y is the input, h the output of
    the last layer:

        additive  Bahdanau et al. 2015, before the cell: c_t = attend(h_{t-1})
                                                         h_t = cells(y_t + C c_t)
                                                         a_t = tanh(W [h_t; c_t; y_t])
        luong     Luong et al. 2015, after the cell:     h_t = cells(y_t)
                                                         c_t = attend(h_t)
                                                         a_t = tanh(W [h_t; c_t])
        none      a_t = h_t

    C stands beside the first cell's own matrix of the input. Bahdanau's readout is a
    maxout layer where ours is tanh, as in later systems; Luong's a_t is the attentional
    vector of equation 5.

    Args:
        width: of the states D.
        num_layers: depth.
        attention: `"additive"`, `"luong"` or `"none"`.
        score: Luong's, see `LuongAttention`: a name, a function, or the name of a
            registered function.
        input_feeding: the attentional vector of Luong's attention enters the next step
            as C a_{t-1} (section 3.3).
        output_width: of a_t; the width when omitted.
        residual: add the input of each layer from the second on to its output.
        dropout: on the input of each layer from the second on. Where the attention
            stands before the cell or is fed, with one mask for all positions.
        **kwargs: the other options of `Recurrent`.

    Call arguments:
        inputs: float tensor `(B, T, E)`.
        memory: float tensor `(B, S, M)` to attend to; for `none` of no use.
        initial_state: list of `num_states` tensors `(B, D)`, layer after layer; zeros
            when omitted.
        memory_mask: boolean tensor `(B, S)`, True = may attend. The mask that Keras has
            attached to the memory counts beside it; where that of the inputs has no token,
            the states stand still.
        return_weights: also return the attention weights.

    Returns:
        `(B, T, output_width)`, or a pair with the weights `(B, T, S)`, which are None
        without attention.

    Raises:
        ValueError: if the attention is unknown, or options exclude each other.

    Example:
        >>> inputs, memory = np.ones((1, 2, 3), "float32"), np.ones((1, 5, 4), "float32")
        >>> outputs, weights = AttentionDecoder(6)(inputs, memory, return_weights=True)
        >>> outputs.shape, weights.shape
        (TensorShape([1, 2, 6]), TensorShape([1, 2, 5]))
    """

    def __init__(
        self,
        width,
        num_layers=1,
        attention="additive",
        score="general",
        input_feeding=False,
        output_width=None,
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
        if attention not in _ATTENTION:
            raise ValueError(f"attention must be one of {list(_ATTENTION)}, received {attention!r}")
        if input_feeding and attention != "luong":
            raise ValueError(
                "input_feeding feeds Luong's attentional vector: it needs attention='luong', "
                f"received attention={attention!r}"
            )
        if attention == "none" and output_width not in (None, width):
            raise ValueError(
                f"without attention the output is as wide as the state, {width}; received "
                f"output_width={output_width}"
            )
        self.width = width
        self.num_layers = num_layers
        self.attention = attention
        self.score = score
        self.input_feeding = input_feeding
        self.output_width = output_width or width
        self.residual = residual
        self.dropout = dropout
        self.cell = cell
        self.reset_after = reset_after
        self.recurrent_dropout = recurrent_dropout
        self.variational = variational
        self.layer_norm = layer_norm
        self.fused = fused
        self.layers = [
            Recurrent(
                width,
                cell,
                reset_after,
                dropout=dropout if i else 0.0,
                recurrent_dropout=recurrent_dropout,
                variational=variational,
                layer_norm=layer_norm,
                fused=fused,
                **self._named(f"layer_{i}"),
            )
            for i in range(num_layers)
        ]
        self.keras_mask = KerasMask()
        # Whether a step needs what the step before has read: then steps come one by one.
        self._is_sequential = attention == "additive" or input_feeding
        self.attention_layer = self.readout = self.feed_projection = None
        if attention == "additive":
            self.attention_layer = AdditiveAttention(width, **self._named("attention"))
        elif attention == "luong":
            self.attention_layer = LuongAttention(score, **self._named("attention"))
        linear = {"use_bias": False}
        if self.attention_layer:
            self.readout = Linear(self.output_width, **linear, **self._named("readout"))
        if self._is_sequential:
            gates = self.layers[0].gates
            self.feed_projection = Linear(gates, **linear, **self._named("feed_projection"))

    def _named(self, name):
        return {"dtype": self.dtype_policy, "name": name}

    @property
    def num_states(self):
        """Number of states of all layers together: one a layer for GRU, two for LSTM."""
        return self.num_layers * self.layers[0].num_states

    @build_once
    def build(self, inputs_shape, memory_shape=None):
        """Builds the layers."""
        hidden = (None, None, self.width)
        for i, layer in enumerate(self.layers):
            layer.build(hidden if i else inputs_shape)
        self.read_width = self.output_width if self.input_feeding else self.width
        if self.attention_layer:
            self.attention_layer.build(hidden, memory_shape)
            self.read_width = self.output_width if self.input_feeding else memory_shape[-1]
            parts = [self.width, memory_shape[-1]]
            if self.attention == "additive":
                parts.append(inputs_shape[-1])
            self.readout.build((None, None, sum(parts)))
        if self._is_sequential:
            self.feed_projection.build((None, None, self.read_width))

    def call(
        self,
        inputs,
        memory=None,
        initial_state=None,
        memory_mask=None,
        return_weights=False,
        training=False,
    ):
        """Decodes a whole sequence; see the class docstring."""
        if initial_state is None:
            zeros = ops.zeros((ops.shape(inputs)[0], self.width), dtype=self.compute_dtype)
            initial_state = [zeros] * self.num_states
        if memory is not None:
            memory_mask = join_masks(memory_mask, self.keras_mask(memory))
        attended = (self.project_memory(memory), memory, memory_mask)
        inputs_mask, weights_BTS = self.keras_mask(inputs), None
        if self._is_sequential:
            hidden_BTD, read_BTD = self._one_by_one(
                inputs, inputs_mask, initial_state, attended, training
            )
            if return_weights:
                query = hidden_BTD
                if self.attention == "additive":  # it looks from the state before
                    first = self.start(initial_state)[-2]
                    query = ops.concatenate([first, hidden_BTD[:, :-1]], axis=1)
                _, weights_BTS = self._attend(query, attended)
        else:
            hidden_BTD = self._all_at_once(inputs, inputs_mask, initial_state, training)
            read_BTD = None
            if self.attention_layer:
                read_BTD, weights_BTS = self._attend(hidden_BTD, attended)
        outputs = self._read_out(hidden_BTD, read_BTD, inputs)
        return (outputs, weights_BTS) if return_weights else outputs

    def _all_at_once(self, inputs, inputs_mask, states, training):
        hidden = inputs
        for i, layer in enumerate(self.layers):
            own, states = states[: layer.num_states], states[layer.num_states :]
            outputs = layer(hidden, initial_state=own, token_mask=inputs_mask, training=training)
            hidden = self._join(outputs, hidden, i)
        return hidden

    def _one_by_one(self, inputs, inputs_mask, initial_state, attended, training):
        projected_BTG = self.layers[0].project_inputs(inputs, training)
        masks = [layer.masks(ops.shape(inputs)[0], training) for layer in self.layers]

        def step(carried, projected_B1G, *mask):
            new = self._advance(carried, projected_B1G, attended, masks, training)[0]
            return where_token(mask, new, carried)

        rows = [projected_BTG, *masks_of_steps(inputs_mask, self.compute_dtype)]
        sequences, _ = recur(step, self.start(initial_state), rows, training)
        return sequences[-2:]

    def project_memory(self, memory):
        """The keys `(B, S, A)` of a memory `(B, S, M)`; None without attention."""
        return self.attention_layer.project_memory(memory) if self.attention_layer else None

    def start(self, initial_state, num_hypotheses=1):
        """Makes the cache of `step`.

        Args:
            initial_state: list of `num_states` tensors `(B, D)`.
            num_hypotheses: hypotheses N a sentence; an integer or a scalar tensor.

        Returns:
            A list of tensors `(B, N, ...)`: the states; where a step needs what the one
            before has read, also the last layer's output and that.
        """
        batch_size = ops.shape(initial_state[0])[0]
        copies = ops.zeros((batch_size, num_hypotheses, 1), self.compute_dtype)
        cache = [ops.expand_dims(state, 1) + copies for state in initial_state]
        if self._is_sequential:
            top = cache[-self.layers[-1].num_states]
            cache += [top, copies + ops.zeros((1, 1, self.read_width), self.compute_dtype)]
        return cache

    def step(self, inputs, cache, keys=None, memory=None, memory_mask=None):
        """Decodes one position of N hypotheses a sentence.

        Args:
            inputs: float tensor `(B, N, E)`.
            cache: what `start` or the last `step` returned.
            keys: what `project_memory` gave.
            memory: float tensor `(B, S, M)`.
            memory_mask: boolean tensor `(B, S)`, True = may attend.

        Returns:
            The output `(B, N, output_width)`, the new cache, and the attention weights
            `(B, N, S)`, None without attention.
        """
        projected_BNG = self.layers[0].project_inputs(inputs)
        attended = (keys, memory, memory_mask)
        cache, hidden_BND, read_BND, weights_BNS = self._advance(cache, projected_BNG, attended)
        return self._read_out(hidden_BND, read_BND, inputs), cache, weights_BNS

    def _advance(self, carried, projected_BNG, attended, masks=None, training=False):
        """One step of all layers.

        Returns:
            What to carry on, the last layer's output, what was read (the context, or the
            attentional vector if that is fed), and the attention weights.
        """
        read = weights = None
        if self._is_sequential:
            *carried, hidden, read = carried
            if self.attention == "additive":
                read, weights = self._attend(hidden, attended)
            projected_BNG = projected_BNG + self.feed_projection(read)
        hidden, states = None, []
        for i, layer in enumerate(self.layers):
            input_mask, state_mask = masks[i] if masks else (None, None)
            own, carried = carried[: layer.num_states], carried[layer.num_states :]
            if i:
                inputs = hidden if input_mask is None else hidden * input_mask
                projected_BNG = layer.project_inputs(inputs, training)
            new = layer.advance(projected_BNG, own, state_mask, training)
            hidden = self._join(new[0], hidden, i)
            states += new
        if self.attention == "luong":
            read, weights = self._attend(hidden, attended)
            if self.input_feeding:
                read = self._attentional([hidden, read])
        return states + [hidden, read] * self._is_sequential, hidden, read, weights

    def _attend(self, query, attended):
        return self.attention_layer.attend(query, *attended)

    def _read_out(self, hidden, read, inputs):
        if self.attention == "none":
            return hidden
        if self.input_feeding:
            return read
        return self._attentional([hidden, read] + [inputs] * (self.attention == "additive"))

    def _attentional(self, parts):
        return ops.tanh(self.readout(ops.concatenate(parts, axis=-1)))

    def _join(self, outputs, inputs, i):
        return outputs + inputs if self.residual and i else outputs

    def get_config(self):
        """All constructor arguments; a function that scores by its registered name."""
        score = self.attention_layer.get_config()["score"] if callable(self.score) else self.score
        return {
            **super().get_config(),
            "width": self.width,
            "num_layers": self.num_layers,
            "attention": self.attention,
            "score": score,
            "input_feeding": self.input_feeding,
            "output_width": self.output_width,
            "residual": self.residual,
            "dropout": self.dropout,
            "cell": self.cell,
            "reset_after": self.reset_after,
            "recurrent_dropout": self.recurrent_dropout,
            "variational": self.variational,
            "layer_norm": self.layer_norm,
            "fused": self.fused,
        }

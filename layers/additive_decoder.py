"""The decoder of Bahdanau et al. 2015, which attends before its recurrent cells."""

from typing import Unpack

import keras
from keras import ops

from attention_zoo.layers.additive_attention import AdditiveAttention
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.linear import Linear
from attention_zoo.layers.options import StackOptions
from attention_zoo.layers.recurrent_decoder import RecurrentDecoder


@keras.saving.register_keras_serializable("attention_zoo")
class AdditiveDecoder(RecurrentDecoder):
    r"""Stacked recurrent layers with additive attention before the first cell.

    With y the input and h the output of the last layer:

        c_t = attend(h_{t-1})
        h_t = cells(y_t + C c_t)
        a_t = tanh(W [h_t; c_t; y_t])

    "Neural Machine Translation by Jointly Learning to Align and Translate" (Bahdanau et al.
    2015), appendix A.2.2. C is applied beside the first cell's own input matrix. The paper's
    readout a_t is a maxout layer; ours is tanh, as in later systems.

    Args:
        width: size of the states D.
        num_layers: depth.
        output_width: size of a_t; the width when omitted.
        **options: the options of `RecurrentStack`. Dropout uses one mask for all positions.

    Call arguments:
        inputs: float tensor `(B, T, E)`. At positions that Keras's mask of the inputs excludes
            the states do not change.
        memory: float tensor `(B, S, M)` to attend to.
        initial_state: list of `num_states` tensors `(B, D)`, layer by layer; zeros when omitted.
        memory_mask: boolean tensor `(B, S)`, True = may attend. The mask that Keras attaches to
            the memory is combined with it.
        return_weights: also return the attention weights.

    Returns:
        Float tensor `(B, T, output_width)`, or a pair with the weights `(B, T, S)`.

    Example:
        >>> inputs, memory = np.ones((1, 2, 3), "float32"), np.ones((1, 5, 4), "float32")
        >>> outputs, weights = AdditiveDecoder(6)(inputs, memory, return_weights=True)
        >>> outputs.shape, weights.shape
        (TensorShape([1, 2, 6]), TensorShape([1, 2, 5]))
    """

    def __init__(self, width, num_layers=1, *, output_width=None, **options: Unpack[StackOptions]):
        super().__init__(width, num_layers, **options)
        self.output_width = output_width or width
        self.attention_layer = AdditiveAttention(width, **self._named("attention"))
        self.readout = Linear(self.output_width, use_bias=False, **self._named("readout"))
        self.feed_projection = Linear(
            self.layers[0].gates, use_bias=False, **self._named("feed_projection")
        )

    @build_once
    def build(self, inputs_shape, memory_shape):
        """Builds the layers."""
        super().build(inputs_shape)
        self.read_width = memory_shape[-1]
        self.attention_layer.build((None, None, self.width), memory_shape)
        read = self.width + self.read_width + inputs_shape[-1]
        self.readout.build((None, None, read))
        self.feed_projection.build((None, None, self.read_width))

    def call(
        self,
        inputs,
        memory,
        initial_state=None,
        memory_mask=None,
        return_weights=False,
        training=False,
    ):
        """Decodes a whole sequence; see the class docstring."""
        attended = self._attended(memory, memory_mask)
        states = self._states(inputs, initial_state)
        hidden_BTD, context_BTM = self._run_steps(inputs, states, attended, training)
        outputs = self._read_out(hidden_BTD, context_BTM, inputs)
        if not return_weights:
            return outputs
        # The query of each position is the output of the previous one.
        query_BTD = ops.concatenate([self.start(states)[-2], hidden_BTD[:, :-1]], axis=1)
        return outputs, self.attention_layer.attend(query_BTD, *attended)[1]

    def project_memory(self, memory):
        """The keys `(B, S, A)` of a memory `(B, S, M)`, computed once per sentence."""
        return self.attention_layer.project_memory(memory)

    def step(self, inputs, cache, keys, memory, memory_mask=None):
        """Decodes one position of N hypotheses per sentence, see `RecurrentDecoder.step`."""
        projected_BNG = self.layers[0].project_inputs(inputs)
        cache, weights_BNS = self._advance(cache, projected_BNG, (keys, memory, memory_mask))
        return self._read_out(*cache[-2:], inputs), cache, weights_BNS

    def _advance(self, cache, projected_BNG, attended, dropout_masks=None, training=False):
        *states, hidden_BND, _ = cache
        context_BNM, weights_BNS = self.attention_layer.attend(hidden_BND, *attended)
        projected_BNG = projected_BNG + self.feed_projection(context_BNM)
        hidden_BND, states = self._step_layers(projected_BNG, states, dropout_masks, training)
        return [*states, hidden_BND, context_BNM], weights_BNS

    def _read_out(self, hidden, context, inputs):
        return ops.tanh(self.readout(ops.concatenate([hidden, context, inputs], axis=-1)))

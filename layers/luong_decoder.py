"""The decoder of Luong et al. 2015, which attends after its recurrent cells."""

from typing import Unpack

import keras
from keras import ops

from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.linear import Linear
from attention_zoo.layers.luong_attention import LuongAttention, score_name
from attention_zoo.layers.options import StackOptions
from attention_zoo.layers.recurrent_decoder import RecurrentDecoder


@keras.saving.register_keras_serializable("attention_zoo")
class LuongDecoder(RecurrentDecoder):
    r"""Stacked recurrent layers with Luong's attention after the last cell.

    With y the input and h the output of the last layer:

        h_t = cells(y_t)              with input feeding: cells(y_t + C a_{t-1})
        c_t = attend(h_t)
        a_t = tanh(W [h_t; c_t])

    "Effective Approaches to Attention-based Neural Machine Translation" (Luong et al. 2015),
    sections 3.1 and 3.3; a_t is the attentional vector of equation 5. C is applied beside the
    first cell's own input matrix.

    Args:
        width: size of the states D.
        num_layers: depth.
        score: see `LuongAttention`.
        input_feeding: the attentional vector is an input of the next step.
        output_width: size of a_t; the width when omitted.
        **options: the options of `RecurrentStack`. With input feeding dropout uses one mask for
            all positions.

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

    Raises:
        ValueError: as `LuongAttention`.

    Example:
        >>> inputs, memory = np.ones((1, 2, 3), "float32"), np.ones((1, 5, 4), "float32")
        >>> LuongDecoder(6, input_feeding=True)(inputs, memory).shape
        TensorShape([1, 2, 6])
    """

    def __init__(
        self,
        width,
        num_layers=1,
        *,
        score="general",
        input_feeding=False,
        output_width=None,
        **options: Unpack[StackOptions],
    ):
        super().__init__(width, num_layers, **options)
        self.score = score
        self.input_feeding = input_feeding
        self.output_width = output_width or width
        self.feed_projection = None
        self.attention_layer = LuongAttention(score, **self._named("attention"))
        self.readout = Linear(self.output_width, use_bias=False, **self._named("readout"))
        if input_feeding:
            self.read_width = self.output_width
            self.feed_projection = Linear(
                self.layers[0].gates, use_bias=False, **self._named("feed_projection")
            )

    @build_once
    def build(self, inputs_shape, memory_shape):
        """Builds the layers."""
        super().build(inputs_shape)
        self.attention_layer.build((None, None, self.width), memory_shape)
        self.readout.build((None, None, self.width + memory_shape[-1]))
        if self.input_feeding:
            self.feed_projection.build((None, None, self.output_width))

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
        attended, weights_BTS = self._attended(memory, memory_mask), None
        states = self._states(inputs, initial_state)
        if self.input_feeding:
            hidden_BTD, outputs = self._run_steps(inputs, states, attended, training)
            if return_weights:
                _, weights_BTS = self.attention_layer.attend(hidden_BTD, *attended)
        else:
            hidden_BTD = self._run_layers(inputs, states, training)
            outputs, weights_BTS = self._attend(hidden_BTD, attended)
        return (outputs, weights_BTS) if return_weights else outputs

    def project_memory(self, memory):
        """The keys `(B, S, A)` of a memory `(B, S, M)`, computed once per sentence."""
        return self.attention_layer.project_memory(memory)

    def step(self, inputs, cache, keys, memory, memory_mask=None):
        """Decodes one position of N hypotheses per sentence, see `RecurrentDecoder.step`."""
        projected_BNG = self.layers[0].project_inputs(inputs)
        attended = (keys, memory, memory_mask)
        if self.input_feeding:
            cache, weights_BNS = self._advance(cache, projected_BNG, attended)
            return cache[-1], cache, weights_BNS
        hidden_BND, cache = self._step_layers(projected_BNG, cache)
        outputs_BND, weights_BNS = self._attend(hidden_BND, attended)
        return outputs_BND, cache, weights_BNS

    def _advance(self, cache, projected_BNG, attended, dropout_masks=None, training=False):
        """One step with input feeding."""
        *states, _, outputs_BND = cache
        projected_BNG = projected_BNG + self.feed_projection(outputs_BND)
        hidden_BND, states = self._step_layers(projected_BNG, states, dropout_masks, training)
        outputs_BND, weights_BNS = self._attend(hidden_BND, attended)
        return [*states, hidden_BND, outputs_BND], weights_BNS

    def _attend(self, hidden, attended):
        context, weights = self.attention_layer.attend(hidden, *attended)
        return ops.tanh(self.readout(ops.concatenate([hidden, context], axis=-1))), weights

    def get_config(self):
        """All constructor arguments; a score function by its registered name."""
        return {**super().get_config(), "score": score_name(self.score)}

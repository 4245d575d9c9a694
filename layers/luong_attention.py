"""The attention of Luong et al. 2015, with a choice of scores."""

import keras

from attention_zoo.layers.additive_attention import AdditiveAttention
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.functional import dot_scores
from attention_zoo.layers.linear import Linear
from attention_zoo.layers.memory_attention import MemoryAttention

_SCORES = ("dot", "general", "concat")


@keras.saving.register_keras_serializable("attention_zoo")
class LuongAttention(MemoryAttention):
    r"""Attention with one of the scores of Luong et al., or a custom score.

        dot       query^T key
        general   query^T W key
        concat    v^T tanh(W [query; key]), the network of `AdditiveAttention`

    "Effective Approaches to Attention-based Neural Machine Translation" (Luong et al.
    2015), section 3.1, equation 8: global attention. W key is computed once for all
    queries.

    Args:
        score: `"dot"`, `"general"`, `"concat"`, or a function of a query `(B, T, D)` and a key
            `(B, S, D)` that returns scores `(B, T, S)`. To be saved, the function must be
            registered (`keras.saving.register_keras_serializable`); the registered name can be
            given instead of it.
        dropout: rate on the attention weights.

    Call arguments:
        query: float tensor `(B, T, Q)`.
        memory: float tensor `(B, S, D)`; `dot` needs D = Q.
        attention_mask: boolean tensor `(B, S)` or `(B, T, S)`, True = may attend. The mask
            that Keras attaches to the memory is combined with it.
        return_weights: also return the attention weights.

    Returns:
        The context `(B, T, D)`, or a pair with the weights `(B, T, S)`.

    Raises:
        ValueError: if the score is unknown, or `dot` is used with different widths.

    Example:
        >>> query, memory = np.ones((1, 2, 3), "float32"), np.ones((1, 5, 6), "float32")
        >>> LuongAttention("general")(query, memory).shape
        TensorShape([1, 2, 6])
        >>> def distance(query, key):
        ...     return -keras.ops.abs(query - keras.ops.transpose(key, (0, 2, 1)))
        >>> LuongAttention(distance)(query[:, :, :1], memory[:, :, :1]).shape
        TensorShape([1, 2, 1])
    """

    def __init__(self, score="general", dropout=0.0, **kwargs):
        super().__init__(dropout, **kwargs)
        if not callable(score) and score not in _SCORES:
            registered = keras.saving.get_registered_object(score)
            if registered is None:
                raise ValueError(
                    f"score must be one of {list(_SCORES)}, a function or the name of a "
                    f"registered function, received {score!r}"
                )
            score = registered
        self.score = score

    @build_once
    def build(self, query_shape, memory_shape):
        """Creates the weights of the score, if it has any."""
        query_width, width = query_shape[-1], memory_shape[-1]
        if self.score == "dot" and query_width != width:
            raise ValueError(
                f"score='dot' needs query and memory of the same width, received {query_width} "
                f"and {width}; score='general' accepts any"
            )
        if self.score == "general":
            self.key = Linear(query_width, use_bias=False, dtype=self.dtype_policy, name="key")
            self.key.build(memory_shape)
        if self.score == "concat":
            self.network = AdditiveAttention(query_width, dtype=self.dtype_policy, name="network")
            self.network.build(query_shape, memory_shape)

    def project_memory(self, memory):
        """The keys: W memory for `general` and `concat`, otherwise the memory itself."""
        if self.score == "general":
            return self.key(memory)
        return self.network.project_memory(memory) if self.score == "concat" else memory

    def scores(self, query, keys):
        """Scores `(B, T, S)`."""
        if callable(self.score):
            return self.score(query, keys)
        if self.score == "concat":
            return self.network.scores(query, keys)
        return dot_scores(query, keys)

    def get_config(self):
        """All constructor arguments; a score function by its registered name."""
        return {**super().get_config(), "score": score_name(self.score)}


def score_name(score):
    """The name of a score in configs: a function's is the one it is registered under."""
    return keras.saving.get_registered_name(score) if callable(score) else score

"""BERT for embeddings of texts that pass through further linear maps."""

import keras

from attention_zoo.layers import Linear
from attention_zoo.layers.build_once import build_once
from attention_zoo.layers.feed_forward import activation_function
from attention_zoo.layers.pooling import pool_states
from attention_zoo.zoo.bert import draw_bert_weights
from attention_zoo.zoo.bert_head import BertWithHead


@keras.saving.register_keras_serializable("attention_zoo")
class BertEmbedder(BertWithHead):
    r"""The states of `Bert`, and linear maps from what they are pooled to.

    As models of sentence-transformers with `Dense` modules have it.

    Args:
        poolings: how states become a vector, see `pool_states`.
        projections: a list of dicts, one for each linear map: `units`, `use_bias` and
            `activation`, such as `"tanh"`; null is none.
        encoder: a dict of the arguments of `Bert`.

    Call arguments:
        inputs: see `Bert`.

    Returns:
        A dict: `states (B, T, D)` and `embedding (B, units)`, which is float32.

    Example:
        >>> projection = {"units": 16, "use_bias": True, "activation": "tanh"}
        >>> model = BertEmbedder.from_preset(
        ...     "bert_tiny", poolings=["mean"], projections=[projection], vocab_size=100)
        >>> model({"token_ids": np.array([[2, 7, 3]])})["embedding"].shape
        TensorShape([1, 16])
    """

    def __init__(self, poolings, projections, encoder, **kwargs):
        super().__init__(**kwargs)
        self._add_encoder(encoder, pooler=False)
        self.poolings, self.projections = list(poolings), [dict(each) for each in projections]
        self.maps = [
            Linear(
                each["units"], use_bias=each["use_bias"], dtype="float32", name=f"projection_{i}"
            )
            for i, each in enumerate(self.projections)
        ]
        self.build()

    @build_once
    def build(self, input_shape=None):
        """Creates the weights of the linear maps; the encoder has its own already."""
        width = len(self.poolings) * self.bert.width
        for layer in self.maps:
            layer.build((None, None, width))
            draw_bert_weights(layer)
            width = layer.width

    def call(self, inputs, training=False):
        """Embeds; see the class docstring."""
        states_BTD = self.bert(inputs, training=training)["states"]
        mask_BT = inputs.get("mask")
        if mask_BT is None:
            mask_BT = keras.ops.ones_like(inputs["token_ids"])
        vector_B1D = keras.ops.expand_dims(pool_states(states_BTD, mask_BT, self.poolings), 1)
        for layer, each in zip(self.maps, self.projections, strict=True):
            vector_B1D = layer(vector_B1D, training=training)
            if each["activation"]:
                vector_B1D = activation_function(each["activation"])(vector_B1D)
        return {"states": states_BTD, "embedding": keras.ops.squeeze(vector_B1D, 1)}

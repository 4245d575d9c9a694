"""The models, from ids to logits, and importers of pretrained weights.

A sequence-to-sequence model is a `keras.Model`. Called with teacher forcing it returns
`model([source_ids, target_ids]) -> logits_BTV`. For decoding it has these methods:

    memory = model.encode(source_ids)                 a dict of tensors
    cache = model.start(memory, max_length, num_hypotheses)
                                                      a list of tensors of fixed shape
    logits_BNV, cache, attention_BNS = model.step(token_ids_BN, position, cache, memory)
    cache = model.reorder(cache, parents_BN)          hypothesis n continues parents[n]

`decoding` needs nothing else, so greedy search, beam search and sampling are written once and
run eagerly, in a SavedModel and in LiteRT. To make that possible, caches have a fixed shape,
reshapes have -1 for the batch, and the N hypotheses of a sentence are on the time axis.

An encoder is called with a dict of tensors: `token_ids`, and optionally `segment_ids` and
`mask`. `Bert` returns states; the other `Bert...` classes add a head.

Models are imported on first use, so `presets` and `options` can be read without Keras.
Importing a model registers it and its layers, as `attention_zoo>Bert` and so on: after
`from attention_zoo.zoo import Bert`, `keras.models.load_model` reads a saved model.
"""

from attention_zoo.zoo.presets import PRESETS
from attention_zoo.zoo.registry import MODELS, register_model

__all__ = [
    "MODELS",
    "PRESETS",
    "Bert",
    "BertClassifier",
    "BertEmbedder",
    "BertPretrainer",
    "BertTokenClassifier",
    "RNNAttention",
    "Transformer",
    "register_model",
]


def __getattr__(name):
    if name in __all__ and name in MODELS:
        return MODELS[name]
    raise AttributeError(f"module 'attention_zoo.zoo' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)

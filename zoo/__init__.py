"""The models: from ids to logits, and back from weights that others have trained.

A sequence-to-sequence model is a `keras.Model` that offers, beside the call
`model([source_ids, target_ids]) -> logits_BTV` of teacher forcing,

    memory = model.encode(source_ids)                 a dict of tensors
    cache = model.start(memory, max_length, num_hypotheses)
                                                      a list of tensors of fixed shape
    logits_BNV, cache, attention_BNS = model.step(token_ids_BN, position, cache, memory)
    cache = model.reorder(cache, parents_BN)          hypothesis n goes on from parents[n]

`decoding` needs nothing else, so greedy search, beam search and sampling are
written once and run eagerly, in a SavedModel and in LiteRT. What makes that
possible: caches of fixed shape, -1 for the batch in reshapes, and the N
hypotheses of a sentence side by side where a sentence has its time steps.

An encoder is called on a dict of tensors: `token_ids`, and if wanted `segment_ids` and
`mask`. `Bert` gives states; the classes named after it put a head on them.

Models are imported when they are used, so that `presets` and `options` can be read without
Keras. The import of a model registers it and its layers, as `attention_zoo>Bert` and so on:
after `from attention_zoo.zoo import Bert`, `keras.models.load_model` reads what
`model.save("model.keras")` wrote.
"""

from attention_zoo.zoo.presets import PRESETS
from attention_zoo.zoo.registry import MODELS, register_model

__all__ = [
    "MODELS",
    "PRESETS",
    "Bert",
    "BertClassifier",
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

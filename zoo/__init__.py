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

The import of this package registers models and layers with Keras, as `attention_zoo>Bert`
and so on, so that `keras.models.load_model` reads what `model.save("model.keras")` wrote.
"""

from attention_zoo.zoo.bert import Bert
from attention_zoo.zoo.bert_classifier import BertClassifier
from attention_zoo.zoo.bert_pretrainer import BertPretrainer
from attention_zoo.zoo.bert_token_classifier import BertTokenClassifier
from attention_zoo.zoo.presets import PRESETS
from attention_zoo.zoo.rnn_attention import RNNAttention
from attention_zoo.zoo.transformer import Transformer

# The classes a saved task may name. Loading looks names up here and nowhere
# else, so that a file from a stranger cannot make us import code of theirs.
MODELS = {
    cls.__name__: cls
    for cls in (
        Bert,
        BertClassifier,
        BertPretrainer,
        BertTokenClassifier,
        RNNAttention,
        Transformer,
    )
}

__all__ = [
    "MODELS",
    "PRESETS",
    "Bert",
    "BertClassifier",
    "BertPretrainer",
    "BertTokenClassifier",
    "RNNAttention",
    "Transformer",
]

"""The registry of models, by the names that presets and `task.json` give them."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from attention_zoo.registry import Registry
from attention_zoo.zoo.options import derive_options, register_options
from attention_zoo.zoo.presets import PRESETS

if TYPE_CHECKING:
    from attention_zoo.zoo.model import PresetModel


class _Models(Registry["type[PresetModel]"]):
    """Models that stand in modules of the folder are classes of these modules."""

    def __getitem__(self, name: str) -> type[PresetModel]:
        if name in self._builtin:
            return getattr(importlib.import_module(self._builtin[name]), name)
        return super().__getitem__(name)


# The classes a saved task may name. Loading looks names up here and nowhere else, so that a file
# from a stranger cannot make us import code of theirs.
MODELS = _Models(
    "model",
    {
        "Bert": "attention_zoo.zoo.bert",
        "BertClassifier": "attention_zoo.zoo.bert_classifier",
        "BertEmbedder": "attention_zoo.zoo.bert_embedder",
        "BertPretrainer": "attention_zoo.zoo.bert_pretrainer",
        "BertTokenClassifier": "attention_zoo.zoo.bert_token_classifier",
        "RNNAttention": "attention_zoo.zoo.rnn_attention",
        "Transformer": "attention_zoo.zoo.transformer",
    },
)


_M = TypeVar("_M", bound=type[Any])


def register_model(cls: _M) -> _M:
    """Registers a model under the name of its class; a decorator.

    From then on recipes take it: its name is a preset with the defaults of the constructor, whose
    arguments a recipe can replace.

    Args:
        cls: a subclass of `Seq2SeqModel`, for sequence to sequence; or of `PresetModel`, for a
            task of yours whose `head` it is.

    Raises:
        ValueError: if another model has the name.

    Example:
        >>> from attention_zoo.zoo import Transformer
        >>> @register_model
        ... class SmallTransformer(Transformer):
        ...     pass
        >>> MODELS["SmallTransformer"].__name__, PRESETS["SmallTransformer"]["config"]
        ('SmallTransformer', {})
    """
    name = cls.__name__
    MODELS.register(name)(cls)
    register_options(name, derive_options(cls))
    description = (inspect.getdoc(cls) or "").split("\n")[0]
    PRESETS.setdefault(name, {"model": name, "description": description, "config": {}})
    return cls

"""Reads what a sentence-transformers folder says beside the encoder: the steps after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from attention_zoo.checksums import is_inside
from attention_zoo.errors import UserError, shown
from attention_zoo.json_files import Content, check_content, parse_json, read_json
from attention_zoo.layers.pooling import POOLINGS
from attention_zoo.zoo.bert_embedder import BertEmbedder
from attention_zoo.zoo.importers.hugging_face import read_hugging_face_arrays
from attention_zoo.zoo.model import model_config
from attention_zoo.zoo.weights import as_float32, assign_weights, saved_weights

# As versions before 5.4 write them, in the order in which vectors are joined.
FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ACTIVATIONS = {"Identity": None, "Tanh": "tanh", "ReLU": "relu", "GELU": "gelu"}
_NO_LIMIT = 1e9  # what exceeds it stands for no limit
_STEPS = ("Transformer", "Pooling", "Dense", "Normalize")


class _Module(Content):
    type: str
    path: str = ""


class _Modules(Content):
    modules: list[_Module]


class _Lengths(Content):
    max_seq_length: Annotated[int, Field(ge=1)] | None = None


class _TokenizerConfig(Content):
    model_max_length: float | int | None = None


class _Dense(Content):
    in_features: Annotated[int, Field(ge=1)]
    out_features: Annotated[int, Field(ge=1)]
    bias: bool = True
    activation_function: str | None = None
    module_input_name: str = "sentence_embedding"
    module_output_name: str | None = None
    use_residual: bool = False


class _Prompts(Content):
    prompts: dict[str, str] = Field(default={})
    default_prompt_name: str | None = None


def read_settings(folder: Path, model: Any) -> dict[str, Any]:
    """The arguments of `Embed` for a folder; mean pooling if it does not name one.

    Raises:
        UserError: if it names a step that `Embed` does not support.
    """
    steps = list(_steps(folder))
    max_length = min(_limit(folder) or model.max_length, model.max_length)
    if not steps:
        return {"pooling": "mean", "normalize": True, "max_length": max_length}
    kinds = [kind for kind, _ in steps]
    path = folder / "config_sentence_transformers.json"
    prompts = check_content(read_json(path), _Prompts, path) if path.exists() else _Prompts()
    modes = _poolings(steps[kinds.index("Pooling")][1] / "config.json", bool(prompts.prompts))
    return {
        "pooling": modes[0] if len(modes) == 1 else modes,
        "normalize": "Normalize" in kinds,
        "prompts": prompts.prompts,
        "default_prompt": prompts.default_prompt_name,
        "max_length": max_length,
    }


def with_projections(model: Any, folder: Path) -> Any:
    """A model with the folder's `Dense` steps; the model itself if there are none.

    Raises:
        UserError: if a step is not supported, or its weights do not fit.
    """
    steps = list(_steps(folder))
    dense = [path for kind, path in steps if kind == "Dense"]
    if not dense:
        return model
    (pooling,) = (path for kind, path in steps if kind == "Pooling")
    projections, weights = [], {name: v.numpy() for name, v in saved_weights(model).items()}
    for i, path in enumerate(dense):
        config = check_content(read_json(path / "config.json"), _Dense, path / "config.json")
        projections.append(_projection(config, path / "config.json"))
        arrays, file = read_hugging_face_arrays(path)
        names = {"linear.weight": "kernel", "linear.bias": "bias"}
        unknown = sorted(arrays.keys() - names.keys())
        if unknown:
            raise UserError(f"{file}: unknown weights: {', '.join(unknown)}")
        for theirs, array in arrays.items():
            value = as_float32(array, f"{file}: {theirs}")
            ours = names[theirs]
            weights[f"projection_{i}/{ours}"] = value.T if ours == "kernel" else value
    encoder = model_config(model)
    poolings = _poolings(pooling / "config.json", has_prompts=False)
    embedder = BertEmbedder(poolings, projections, {**encoder, "pooler": False})
    own = saved_weights(embedder).keys()
    # Nothing reads the pooler of the encoder.
    weights = {n: a for n, a in weights.items() if n in own or not n.startswith("pooler/")}
    assign_weights(embedder, weights, folder)
    return embedder


def _projection(config: _Dense, path: Path) -> dict[str, Any]:
    """The arguments of a linear map."""
    name = (config.activation_function or "Identity").rsplit(".", 1)[-1]
    output = config.module_output_name or config.module_input_name
    for setting, value, accepted in (
        ("use_residual", config.use_residual, (False,)),
        ("module_input_name", config.module_input_name, ("sentence_embedding",)),
        ("module_output_name", output, ("sentence_embedding",)),
        ("activation_function", name, tuple(_ACTIVATIONS)),
    ):
        if value not in accepted:
            known = ", ".join(map(str, accepted))
            raise UserError(f"{path}: {setting} is {shown(value)}; accepted: {known}")
    return {"units": config.out_features, "use_bias": config.bias, "activation": _ACTIVATIONS[name]}


def _steps(folder: Path) -> Iterator[tuple[str, Path]]:
    """The kinds of the steps in `modules.json` and their folders; none if it is missing."""
    modules = folder / "modules.json"
    if not modules.exists():
        return
    content = check_content({"modules": parse_json(modules)}, _Modules, modules)
    kinds = [module.type.rsplit(".", 1)[-1] for module in content.modules]
    unknown = [kind for kind in kinds if kind not in _STEPS]
    if unknown:
        raise UserError(f"{modules}: {unknown[0]} is not supported")
    if kinds.count("Pooling") != 1:
        raise UserError(f"{modules}: one Pooling is needed, received {kinds.count('Pooling')}")
    if kinds != sorted(kinds, key=_STEPS.index) or kinds.count("Normalize") > 1:
        raise UserError(
            f"{modules}: accepted are the steps {', '.join(_STEPS)} in this order; received "
            f"{', '.join(kinds)}"
        )
    for module, kind in zip(content.modules, kinds, strict=True):
        if not is_inside(module.path):
            raise UserError(f"{modules}: {module.path!r} is not a folder in this folder")
        yield kind, folder / module.path


def _poolings(path: Path, has_prompts: bool) -> list[str]:
    settings = read_json(path)
    if settings.get("include_prompt") is False and has_prompts:
        raise UserError(f"{path}: include_prompt is False; accepted is True")
    named = settings.get("pooling_mode")
    if named is not None:
        modes = named if isinstance(named, list) else [named]
    else:
        flags = [name for name, on in settings.items() if name.startswith("pooling_mode") and on]
        known = [name for name in FLAGS if name in flags]
        modes = [FLAGS.get(f, f) for f in (*known, *(f for f in flags if f not in FLAGS))]
        if not modes and settings.keys() & FLAGS.keys():
            modes = ["mean"]
    if not modes or any(mode not in POOLINGS for mode in modes):
        raise UserError(
            f"{path}: accepted are the poolings {', '.join(POOLINGS)}, received "
            f"{', '.join(map(str, modes)) or 'none'}"
        )
    return modes


def _limit(folder: Path) -> int | None:
    """The limit of the folder to the length of a text: its own, or else the tokenizer's."""
    for name, schema in (
        ("sentence_bert_config.json", _Lengths),
        ("tokenizer_config.json", _TokenizerConfig),
    ):
        path = folder / name
        if path.exists():
            content = check_content(read_json(path), schema, path)
            limit = getattr(content, next(iter(schema.model_fields)))
            if limit is not None and 3 < limit < _NO_LIMIT:
                return int(limit)
    return None

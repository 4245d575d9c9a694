"""Reads the settings of a sentence-transformers folder: pooling, length, normalisation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from attention_zoo.checksums import is_inside
from attention_zoo.errors import UserError
from attention_zoo.json_files import Content, check_content, parse_json, read_json

_POOLINGS = ("mean", "cls", "max")
# As versions before 5.4 write them.
_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


class _Module(Content):
    type: str
    path: str = ""


class _Modules(Content):
    modules: list[_Module]


class _Lengths(Content):
    max_seq_length: Annotated[int, Field(ge=1)] | None = None


def read_settings(folder: Path, model: Any) -> dict[str, Any]:
    """The arguments of `Embed` for a folder; mean pooling if it does not name one.

    Raises:
        UserError: if it names a step that `Embed` does not support.
    """
    modules = folder / "modules.json"
    if not modules.exists():
        return {"pooling": "mean", "normalize": True}
    content = check_content({"modules": parse_json(modules)}, _Modules, modules)
    types = [module.type.rsplit(".", 1)[-1] for module in content.modules]
    unknown = [name for name in types if name not in ("Transformer", "Pooling", "Normalize")]
    if unknown:
        raise UserError(f"{modules}: {unknown[0]} is not supported")
    if types.count("Pooling") != 1:
        raise UserError(f"{modules}: one Pooling is needed, received {types.count('Pooling')}")
    path = content.modules[types.index("Pooling")].path
    if not is_inside(path):
        raise UserError(f"{modules}: {path!r} is not a folder in this folder")
    pooling = _pooling(folder / path / "config.json")
    lengths = folder / "sentence_bert_config.json"
    longest = read_json(lengths, _Lengths).get("max_seq_length") if lengths.exists() else None
    return {
        "pooling": pooling,
        "normalize": "Normalize" in types,
        "max_length": min(longest or model.max_length, model.max_length),
    }


def _pooling(path: Path) -> str:
    settings = read_json(path)
    named = settings.get("pooling_mode")
    if named is not None:
        modes = named if isinstance(named, list) else [named]
    else:
        flags = [name for name, on in settings.items() if name.startswith("pooling_mode") and on]
        modes = [_FLAGS.get(flag, flag) for flag in flags]
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise UserError(
            f"{path}: accepted is one pooling of {', '.join(_POOLINGS)}, received "
            f"{', '.join(map(str, modes)) or 'none'}"
        )
    return modes[0]

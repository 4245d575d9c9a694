"""Recipes in run directories of version 0.1, which listed the fields of all tasks."""

from typing import Any

from attention_zoo.errors import section_of
from attention_zoo.tasks.settings import ModelSettings, Recipe
from attention_zoo.text.tokenizer_options import WordPieceOptions

_ALL_COLUMNS = {"source", "target", "question", "context", "answers", "text", "pair", "label"}


def is_written_by_0_1(content: dict[str, Any]) -> bool:
    """Whether a recipe has the columns of all tasks, which nobody writes by hand."""
    data = content.get("data")
    return isinstance(data, dict) and data.keys() >= _ALL_COLUMNS


def without_foreign_keys(content: dict[str, Any], recipe_class: type[Recipe]) -> dict[str, Any]:
    """Such a recipe without the fields that its task ignored."""
    return _known(content, recipe_class)


def _known(content: dict[str, Any], section: Any) -> dict[str, Any]:
    known = {}
    keys = section.keys_of(content) if hasattr(section, "keys_of") else section.model_fields
    for name, value in content.items():
        if name not in section.model_fields:
            if name in keys or section is ModelSettings:
                known[name] = value
            continue
        if value is None and name in _ALL_COLUMNS:
            continue
        inner = section_of(section.model_fields[name])
        known[name] = _known(value, inner) if inner and isinstance(value, dict) else value
    if known.get("schedule") == "noam":
        known.pop("peak", None)
    elif "schedule" in known:
        known.pop("factor", None)
    if section is WordPieceOptions:
        known.pop("kind", None)  # it was ignored
    return known

"""Reads and writes recipes: YAML files that are validated before training starts.

This module does not import TensorFlow, so that misspelt keys are reported at once.
"""

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Union

import pydantic
import yaml

from attention_zoo.errors import UserError, explain, shown
from attention_zoo.pretrained import pretrained_tasks
from attention_zoo.recipes.version_0_1 import is_written_by_0_1, without_foreign_keys
from attention_zoo.recipes.yaml_text import override, plain_values, read_yaml
from attention_zoo.tasks.settings import TASKS, CorpusSettings, Recipe
from attention_zoo.text.tfds import is_tfds

_DEFAULT_TASK = "seq2seq"


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Reads a recipe.

    Args:
        path: a YAML file; paths of data in it are relative to its folder.
        overrides: strings `"a.b=c"`, c in YAML, that replace values of the file; `"a=null"`
            removes the section a.

    Returns:
        A `Recipe` whose data paths are absolute.

    Raises:
        UserError: naming the file and the field, with the nearest accepted name.
    """
    path = Path(path)
    content = read_yaml(path)
    if not isinstance(content, dict):
        received = "the file is empty" if content is None else f"received {shown(content)}"
        raise UserError(
            f"{path} is not a recipe: a mapping is needed, with the keys "
            f"{', '.join(Recipe.model_fields)}; {received}"
        )
    content: Any = plain_values(content, path)
    for text in overrides:
        override(content, text)
    content = plain_values(content, path)
    # A section that contains only comments is treated as missing.
    content = {name: section for name, section in content.items() if section is not None}
    recipe_class = _recipe_class(content.get("task", _DEFAULT_TASK), path)
    if is_written_by_0_1(content):
        content = without_foreign_keys(content, recipe_class)
    try:
        recipe = recipe_class(**content)
    except pydantic.ValidationError as error:
        lines = dict.fromkeys(explain(error, recipe_class))
        raise UserError("\n".join(f"{path}: {line}" for line in lines)) from error
    return _with_paths(recipe, path.resolve().parent)


def _recipe_class(task: Any, path: Path) -> type[Recipe]:
    try:
        return TASKS.find(task if isinstance(task, str) else shown(task))
    except UserError as error:
        raise UserError(f"{path}: task: {error}") from error


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of recipes of all registered tasks, for completion in editors."""
    union: Any = Annotated[Union[tuple(TASKS.values())], pydantic.Discriminator("task")]  # noqa: UP007
    schema = pydantic.TypeAdapter(union).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "recipe", **schema}


def _with_paths(recipe: Recipe, base: Path) -> Recipe:
    """The recipe with absolute paths."""
    data = recipe.data
    pretrained = recipe.model.pretrained
    if pretrained:
        update = {"pretrained": _task_path(pretrained, base)}
        recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update=update)})
    teacher: Any = getattr(recipe.train, "teacher", None)
    if teacher:
        update = {"tasks": [_task_path(name, base) for name in teacher.names]}
        update = {"teacher": teacher.model_copy(update=update)}
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update=update)})
    files = {
        name: _absolute(getattr(data, name), base)
        for name in ("train", "valid", "test")
        if getattr(data, name)
    }
    return recipe.model_copy(update={"data": data.model_copy(update=files)})


def _task_path(name: str, base: Path) -> str:
    """The path of a run or task; of a pretrained one if there is no such path."""
    path = base / name
    return str(path if path.exists() else pretrained_tasks().get(name, path))


def save_recipe(recipe: Recipe, path: str | Path) -> None:
    """Writes a recipe with all defaults filled in."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    Path(path).write_text(text, encoding="utf-8")


def _absolute(files: Any, base: Path) -> Any:
    if isinstance(files, CorpusSettings):
        return files.model_copy(update={"files": _absolute(files.files, base)})
    if isinstance(files, dict):
        return {field: _absolute(path, base) for field, path in files.items()}
    if isinstance(files, list):
        return [_absolute(path, base) for path in files]
    if is_tfds(files):
        return files
    # Brackets in the folder's name are not a pattern, even if those in the file's name are.
    if glob.has_magic(files) and not os.path.lexists(base / files):
        return os.path.join(glob.escape(str(base)), files)
    return str(base / files)

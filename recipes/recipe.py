"""Recipes: what to train, on what, and how, as a YAML file that is checked before work starts.

This module imports no TensorFlow, so that a misspelt key is reported at once.
"""

import glob
import os
from pathlib import Path
from typing import Literal

import pydantic
import yaml

from attention_zoo.errors import UserError, explain, shown
from attention_zoo.pretrained import pretrained_tasks
from attention_zoo.train.metrics import check_metrics, kind_of_answers
from attention_zoo.recipes.yaml_text import override, plain_values, read_yaml
from attention_zoo.train.settings import (
    COLUMN_ORDER,
    COLUMNS,
    DataSettings,
    EvaluateSettings,
    ExportSettings,
    ModelSettings,
    Section,
    TokenizerSettings,
    TrainSettings,
    with_defaults,
)
from attention_zoo.train.task_options import task_options
from attention_zoo.zoo.options import model_options, preset_model
from attention_zoo.zoo.presets import PRESETS


class Recipe(Section):
    """All that a training needs to know."""

    task: Literal["seq2seq", "classify", "tag", "answer", "embed", "fill_mask"] = "seq2seq"
    model: ModelSettings
    data: DataSettings
    # Arguments of the task, such as `problem` of a classification.
    options: dict = pydantic.Field(default={})
    tokenizer: TokenizerSettings = TokenizerSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    export: ExportSettings = ExportSettings()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, content):
        given = content.get("train", {})
        task = content.get("task", "seq2seq")
        if isinstance(given, dict) and isinstance(task, str) and task in COLUMNS:
            content = {**content, "train": with_defaults(task, given)}
        return content

    @pydantic.model_validator(mode="after")
    def _columns_of_the_task(self):
        needed, optional = COLUMNS[self.task]
        given = [name for name in COLUMN_ORDER if getattr(self.data, name) is not None]
        missing = [name for name in needed if name not in given]
        if missing and self.task != "answer":
            raise ValueError(
                f'the key "data.{missing[0]}" is missing: {self.task} needs that column'
            )
        foreign = [name for name in given if name not in (*needed, *optional)]
        if foreign:
            raise ValueError(f"data.{foreign[0]}: {self.task} has no such column")
        return self

    @pydantic.model_validator(mode="after")
    def _options_of_the_task(self):
        task_options(self.task, self.options)
        return self

    @pydantic.model_validator(mode="after")
    def _metrics_of_the_task(self):
        # After the options, among which is the problem.
        problem = self.options.get("problem", "one")
        answers = kind_of_answers(self.task, problem, len(self.columns))
        try:
            check_metrics(self.evaluate.metrics or (), answers)
        except UserError as error:
            raise ValueError(f"evaluate.metrics: {error}") from error
        return self

    @pydantic.model_validator(mode="after")
    def _model_of_the_task(self):
        if self.model.preset is not None:
            model = preset_model(self.model.preset, self.task)
            base = PRESETS[self.model.preset]["config"]
            vocab_size = self.tokenizer.vocab_size or 0
            model_options(model, self.model.options, base, self.model.preset, vocab_size)
        return self

    @property
    def columns(self):
        """The columns of an example, in their order."""
        if self.task == "answer":
            names = COLUMNS["answer"][0]
            return [getattr(self.data, name) or name for name in names]
        columns = [getattr(self.data, name) for name in COLUMN_ORDER]
        return [column for column in columns if column is not None]

    @property
    def text_columns(self):
        """How many of the columns, the first ones, are text that the task reads."""
        texts = ("source", "question", "context", "text", "pair")
        return 2 if self.task == "answer" else sum(getattr(self.data, n) is not None for n in texts)


def load_recipe(path, overrides=()):
    """Reads a recipe.

    Args:
        path: a YAML file; relative paths of data in it start from its folder.
        overrides: strings `"a.b=c"`, c in YAML, that replace values of the file; `"a=null"`
            leaves the section a out.

    Returns:
        A `Recipe` whose data paths are absolute.

    Raises:
        UserError: naming file and field, with the nearest accepted name.
    """
    path = Path(path)
    content = read_yaml(path)
    if not isinstance(content, dict):
        found = "the file is empty" if content is None else f"received {shown(content)}"
        raise UserError(
            f"{path} is no recipe: a mapping is needed, with the keys "
            f"{', '.join(Recipe.model_fields)}; {found}"
        )
    content = plain_values(content, path)
    for text in overrides:
        override(content, text)
    content = plain_values(content, path)
    # A section of which every line is a comment is none.
    content = {name: section for name, section in content.items() if section is not None}
    try:
        recipe = Recipe(**content)
    except pydantic.ValidationError as error:
        lines = dict.fromkeys(explain(error, Recipe))
        raise UserError("\n".join(f"{path}: {line}" for line in lines)) from error
    return _with_paths(recipe, path.resolve().parent)


def _with_paths(recipe, base):
    """The recipe with every path absolute."""
    data = recipe.data
    pretrained = recipe.model.pretrained
    if pretrained:
        path = base / pretrained
        if not path.exists():
            path = pretrained_tasks().get(pretrained, path)
        update = {"pretrained": str(path)}
        recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update=update)})
    files = {
        name: _absolute(getattr(data, name), base)
        for name in ("train", "valid", "test")
        if getattr(data, name)
    }
    return recipe.model_copy(update={"data": data.model_copy(update=files)})


def save_recipe(recipe, path):
    """Writes a recipe with every default filled in."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    Path(path).write_text(text, encoding="utf-8")


def _absolute(files, base):
    if isinstance(files, dict):
        return {field: _absolute(path, base) for field, path in files.items()}
    if isinstance(files, list):
        return [_absolute(path, base) for path in files]
    # Brackets in the folder's name are no pattern, even where those in the file's are.
    if glob.has_magic(files) and not os.path.lexists(base / files):
        return os.path.join(glob.escape(str(base)), files)
    return str(base / files)

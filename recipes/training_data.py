"""The training data of a recipe: files of text, or a directory of prepared ids."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError
from attention_zoo.files import sha256
from attention_zoo.tasks.loading import load_without_weights
from attention_zoo.tasks.settings import CorpusSettings, Recipe
from attention_zoo.tasks.task import Task
from attention_zoo.text.corpora import Corpus, Mixture
from attention_zoo.text.examples import Example
from attention_zoo.text.prepared import PreparedExamples, is_prepared
from attention_zoo.text.readers import read_examples
from attention_zoo.train.trainer import TASK_FOLDER
from attention_zoo.zoo.weights import WEIGHTS_FILE


class ExampleDigest:
    """SHA-256 of examples, one after another.

    Attributes:
        count: how many there were.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.count = 0

    def update(self, example: Example) -> Example:
        """Adds an example, and returns it."""
        self._digest.update(json.dumps(example).encode())
        self.count += 1
        return example

    def hexdigest(self, corpora: Sequence[Corpus] = ()) -> str:
        """The digest so far, in hexadecimal digits.

        Args:
            corpora: the corpora that the examples belong to, if there are several.
        """
        digest = self._digest.copy()
        if any(corpus.weight != 1 for corpus in corpora):
            digest.update(json.dumps([corpus.model_dump() for corpus in corpora]).encode())
        return digest.hexdigest()


def digest_of(examples: Iterable[Example] | PreparedExamples) -> str:
    """SHA-256 of examples; the same for prepared ones as for those they were prepared from."""
    if isinstance(examples, PreparedExamples):
        return examples.manifest.digest
    digest = ExampleDigest()
    for example in examples:
        digest.update(example)
    return digest.hexdigest(examples.corpora if isinstance(examples, Mixture) else ())


def corpora_of(recipe: Recipe) -> list[CorpusSettings]:
    """The corpora of a recipe's training data; a single one if it names files alone.

    Raises:
        UserError: if one of several is a directory of prepared examples.
    """
    train: Any = recipe.data.train
    if not (isinstance(train, list) and train and isinstance(train[0], CorpusSettings)):
        return [CorpusSettings.model_construct(files=train)]
    for corpus in train:
        if is_prepared(corpus.files):
            raise UserError(
                f"{corpus.files} has been prepared: it cannot be one of several corpora; prepare "
                "them together"
            )
    return train


def some_of(examples: Iterable[Example], count: int, most: int) -> Iterator[Example]:
    """At most `most` of `count` examples, evenly spaced.

    Example:
        >>> list(some_of("abcdefg", count=7, most=3))
        ['a', 'd', 'f']
    """
    for i, example in enumerate(examples):
        # Whether i is the ceiling of k count / most for a k.
        if count <= most or i * most % count < most:
            yield example


def facts_of(recipe: Recipe) -> dict[str, Any]:
    """The parts of a recipe that determine the ids of its training data, besides the data."""
    columns = recipe.data.model_dump(mode="json", exclude={"train", "valid", "test"})
    facts = {
        "task": recipe.kind,
        "data": columns,
        "tokenizer": recipe.tokenizer.model_dump(mode="json"),
        "options": recipe.options.model_dump(mode="json"),
        "pretrained": pretrained_digest(recipe),
    }
    # The default seed of segment pairs is that of the training.
    return {**facts, "seed": recipe.train.seed} if "seed" in facts["options"] else facts


def pretrained_digest(recipe: Recipe) -> str | None:
    """SHA-256 of the weights that a recipe starts from, if it names any."""
    return weights_digest(recipe.model.pretrained)


def weights_digest(task: str | None) -> str | None:
    """SHA-256 of the weights of a run or task."""
    for folder in (Path(task), Path(task) / TASK_FOLDER) if task else ():
        if (folder / WEIGHTS_FILE).exists():
            return sha256(folder / WEIGHTS_FILE)
    return None


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """What differs between two nested dicts, field by field."""
    if isinstance(old, dict) and isinstance(new, dict):
        fields = dict.fromkeys((*old, *new))
        return [
            difference
            for field in fields
            for difference in differences(
                old.get(field), new.get(field), f"{name}.{field}" if name else field
            )
        ]
    return [f"{name} was {old}, is now {new}"] if old != new else []


def read_training_data(recipe: Recipe) -> list[Example] | PreparedExamples:
    """The training examples of a recipe.

    Raises:
        UserError: as for `read_examples`; or if another recipe prepared them, or they are damaged.
    """
    files = recipe.data.train
    if not is_prepared(files):
        return Mixture(
            [
                (read_examples(corpus.files, recipe.columns, holds=recipe.holds), corpus.weight)
                for corpus in corpora_of(recipe)
            ]
        )
    prepared = PreparedExamples(str(files))
    changed = differences(prepared.manifest.facts, facts_of(recipe))
    if changed:
        raise UserError(
            f"{files} was prepared by another recipe: {'; '.join(changed)}; prepare it again"
        )
    return prepared


def build_task(recipe: Recipe, examples: list[Example] | PreparedExamples) -> Task:
    """Builds the task of a recipe; see `Recipe.build`."""
    if isinstance(examples, PreparedExamples):
        return recipe.build([], like=load_without_weights(examples.directory))
    return recipe.build(list(some_of(examples, len(examples), recipe.data.tokenizer_examples)))

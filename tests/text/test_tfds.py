"""Datasets of TensorFlow Datasets, written by the test and read without their code."""

import re
import subprocess
import sys

import pytest

from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.training_data import read_training_data
from attention_zoo.text.readers import read_examples

# Run in a process of its own: here, the dataset must be found by its files alone.
WRITER = """
import sys

import numpy as np
import tensorflow_datasets as tfds


class TinyPairs(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="zh_en")]

    def _info(self):
        f = tfds.features
        answers = {"text": f.Text(), "answer_start": np.int32}
        features = {
            "zh": f.Text(),
            "label": f.ClassLabel(names=["no", "yes"]),
            "score": f.Scalar(np.float32),
            "words": f.Sequence(f.Text()),
            "tags": f.Sequence(f.ClassLabel(names=["O", "B-LOC"])),
            "answers": f.Sequence(answers),
        }
        return tfds.core.DatasetInfo(builder=self, features=f.FeaturesDict(features))

    def _split_generators(self, manager):
        return {"train": self._generate_examples(10), "test": self._generate_examples(3)}

    def _generate_examples(self, count):
        for i in range(count):
            yield i, {
                "zh": f"你好{i}",
                "label": i % 2 if count > 3 else -1,
                "score": i / 2,
                "words": ["in", "Rom"],
                "tags": [0, i % 2],
                "answers": [{"text": "好", "answer_start": 1}],
            }


TinyPairs(data_dir=sys.argv[1], config="zh_en").download_and_prepare()
"""
NAME = "tfds:tiny_pairs/zh_en"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("datasets")
    subprocess.run([sys.executable, "-c", WRITER, directory], check=True, capture_output=True)
    return directory


@pytest.fixture(autouse=True)
def data_dir(directory, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(directory))


def test_features_are_fields():
    examples = read_examples(f"{NAME}@train", ["zh", "label", "score"])
    assert len(examples) == 10
    assert sorted(examples)[:2] == [("你好0", "no", "0.0"), ("你好1", "yes", "0.5")]
    assert examples[3].location == f"{NAME}@train, example 4"
    assert examples == read_examples(f"{NAME}@train", ["zh", "label", "score"])
    parts = [f"{NAME}@train[:30%]", f"{NAME}:1.0.0@train[30%:]"]
    assert read_examples(parts, ["zh", "label", "score"]) == examples


def test_lists_and_answers():
    (example, *_) = read_examples(
        f"{NAME}@test",
        ["words", "tags", "answers"],
        holds={"words": "words", "tags": "words", "answers": "answers"},
    )
    assert example[0] == "in Rom"
    assert example[1] in ("O O", "O B-LOC")
    assert example[2] == '[{"answer_start": 1, "text": "好"}]'


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        (f"{NAME}@valid", ["zh"], "Unknown split 'valid'"),
        (f"{NAME}@train", ["en"], 'has no feature "en"; Accepted: answers, label, score,'),
        (f"{NAME}@test", ["label"], 'example 1: "label" is -1: the split has no labels'),
        (NAME, ["zh"], "has the form tfds:NAME[/CONFIG][:VERSION]@SPLIT"),
        ("tfds:huggingface:glue@train", ["zh"], "has the form tfds:NAME[/CONFIG]"),
        ("tfds:no_such_thing@train", ["zh"], "Dataset no_such_thing not found"),
        ("tfds:imdb_reviews@train", ["text"], "is not on this machine: it should be in"),
    ],
)
def test_mistakes(name, fields, message):
    with pytest.raises(UserError, match=re.escape(message)) as error:
        read_examples(name, fields)
    assert "\n" not in str(error.value)


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UserError, match=re.escape("pip install 'attention-zoo[tfds]'")):
        read_examples(f"{NAME}@train", ["zh"])


def test_a_recipe_names_a_dataset(tmp_path):
    (tmp_path / "recipe.yaml").write_text(f"""
task: classify
model: {{preset: bert_tiny}}
data: {{train: "{NAME}@train[:50%]", valid: "{NAME}@train[50%:]", text: zh, label: label}}
""")
    recipe = load_recipe(tmp_path / "recipe.yaml")
    assert recipe.data.train == f"{NAME}@train[:50%]"
    assert len(read_training_data(recipe)) == 5

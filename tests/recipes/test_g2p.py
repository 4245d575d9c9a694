"""The script that writes the data: what is kept, and that no word is in two splits."""

import importlib.util
from pathlib import Path

import pytest

from attention_zoo.text.readers import read_examples
from attention_zoo.train.recipe import load_recipe

FOLDER = Path(__file__).parents[2] / "recipes/g2p"


@pytest.fixture(scope="module")
def make_data():
    spec = importlib.util.spec_from_file_location("g2p_make_data", FOLDER / "make_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(make_data, tmp_path_factory):
    """The three files as the script writes them, in lists of pairs."""
    out = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["make_data.py", "--out", str(out)])
        make_data.main()
    fields = ["word", "phonemes"]
    return {
        name: read_examples(str(out / f"{name}.tsv"), fields) for name in ("train", "valid", "test")
    }


def test_pronunciations(make_data):
    dictionary = {
        "read": [["R", "EH1", "D"], ["R", "IY1", "D"]],
        "record": [["R", "AH0", "K", "AO1", "R", "D"], ["R", "AH1", "K", "AO0", "R", "D"]],
        "a.m.": [["EY2", "EH1", "M"]],
        "'em": [["AH0", "M"]],
        "x-ray": [["EH1", "K", "S", "R", "EY2"]],
    }
    assert make_data.pronunciations(dictionary) == {
        "read": ["R EH D", "R IY D"],
        "record": ["R AH K AO R D"],
        "'em": ["AH M"],
    }


def test_sizes_are_those_of_the_readme(data):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, examples in data.items():
        words = len({word for word, _ in examples})
        assert f"| `{name}.tsv` | {words:,} | {len(examples):,} |" in readme


def test_no_word_is_in_two_splits(data):
    words = [{word for word, _ in examples} for examples in data.values()]
    assert len(set.union(*words)) == sum(map(len, words))


def test_thirty_nine_phonemes_without_stress(data):
    phonemes = {
        phone for examples in data.values() for _, text in examples for phone in text.split()
    }
    assert len(phonemes) == 39
    assert not any(phone[-1].isdigit() for phone in phonemes)


def test_the_recipe_is_read():
    assert load_recipe(FOLDER / "recipe.yaml").tokenizer.target.kind == "words"

"""The scripts of the recipe: its data, and wider models."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.readers import read_examples
from attention_zoo.zoo import RNNAttention, Transformer

FOLDER = Path(__file__).parents[2] / "recipes/g2p"


def script(name):
    spec = importlib.util.spec_from_file_location(f"g2p_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def make_data():
    return script("make_data")


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


def small_task(model_class=Transformer, letters="abcd", **options):
    tokenizer = CharacterTokenizer(letters)
    return Seq2Seq(model_class(tokenizer.vocab_size, width=8, max_length=10, **options), tokenizer)


TRANSFORMER = {"num_heads": 2, "num_encoder_blocks": 1, "num_decoder_blocks": 1, "dropout": 0.0}


def test_a_wider_model_says_the_same():
    model = small_task(feed_forward_width=12, **TRANSFORMER).model
    for variable in model.trainable_variables:
        variable.assign_add(np.random.default_rng(0).normal(size=variable.shape))
    wider = script("widen").widened(model, 20)
    pair = [np.array([[5, 6, 3]]), np.array([[2, 7, 4]])]
    assert_allclose(wider(pair), model(pair), atol=1e-5)
    assert wider.count_params() - model.count_params() == 2 * 8 * (2 * 8 + 1)
    with pytest.raises(UserError, match="must be at least 12, which it is now; received 8"):
        script("widen").widened(model, 8)
    with pytest.raises(UserError, match="a Transformer is needed, received RNNAttention"):
        script("widen").widened(small_task(RNNAttention).model, 20)


def test_words_of_lists():
    lines = ["SMITH    1.006  1.006   1", "it's", "can't", "a", "Ångström", "Zoo", "", "zoo"]
    assert script("make_words").selected(lines) == ["can't", "smith", "zoo"]

"""Recipes: what is accepted, and that every mistake names its field and file."""

import pytest
import yaml

from attention_zoo.errors import UserError
from attention_zoo.text.readers import read_examples
from attention_zoo.train.recipe import Recipe, load_recipe, save_recipe

GOOD = {
    "model": {"preset": "transformer_tiny", "dropout": 0.2},
    "data": {"train": "train.tsv", "valid": "valid/*.tsv", "source": "zh", "target": "en"},
}


@pytest.fixture
def write(tmp_path):
    """A function that writes a recipe file with some changes."""

    def make(**changes):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({**GOOD, **changes}), encoding="utf-8")
        return path

    return make


def test_defaults_paths_and_round_trip(write, tmp_path):
    recipe = load_recipe(write(), ["train.steps=7", "data.test={zh: a.zh, en: a.en}"])
    assert recipe.train.steps == 7
    assert recipe.train.beta_2 == 0.98
    assert recipe.model.model_dump() == {
        "preset": "transformer_tiny",
        "pretrained": None,
        "dropout": 0.2,
    }
    assert recipe.data.train == str(tmp_path / "train.tsv")
    assert recipe.data.test == {"zh": str(tmp_path / "a.zh"), "en": str(tmp_path / "a.en")}
    save_recipe(recipe, tmp_path / "saved.yaml")
    assert load_recipe(tmp_path / "saved.yaml") == recipe


def test_brackets_in_the_folder_of_a_recipe_are_no_pattern(write, tmp_path):
    folder = tmp_path / "my [v2] data"
    folder.mkdir()
    recipe = write().rename(folder / "recipe.yaml")
    for name in ("a.tsv", "b[1].tsv"):
        (folder / name).write_text("a\tb\nx\ty\n", encoding="utf-8")
    overrides = ["data.train=a.tsv", "data.valid=['?.tsv', 'b[1].tsv']", "data.test={a: '*.tsv'}"]
    data = load_recipe(recipe, overrides).data
    assert data.train == str(folder / "a.tsv")
    assert read_examples(data.train, ["a", "b"]) == [("x", "y")]
    assert read_examples(data.valid, ["a", "b"]) == [("x", "y")] * 2
    assert len(read_examples(data.test, ["a"])) == 4


def test_null_leaves_a_section_out(write):
    section = write(tokenizer={"kind": "words"})
    assert load_recipe(section).tokenizer.kind == "words"
    recipe = load_recipe(section, ["tokenizer=null", "train.clip_norm=null"])
    assert recipe.tokenizer.kind == "sentencepiece"
    assert recipe.train.clip_norm is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.stepz=3"], r'recipe\.yaml: unknown key "train\.stepz"; did you mean "steps"'),
        (["trian.steps=3"], r'unknown key "trian"; did you mean "train"'),
        (
            ["train.learning_rate.warmpu=3"],
            r'"train\.learning_rate\.warmpu"; did you mean "warmup"',
        ),
        (["train.steps=-1"], r"train\.steps: Input should be greater than 0, received -1"),
        (["train.steps=many"], r"train\.steps: .*valid integer.*received 'many'"),
        (["train.strategy=mirored"], r"train\.strategy: .*'mirrored'.*received 'mirored'"),
        (["tokenizer.kind=word"], r"tokenizer\.kind: .*'words'.*, received 'word'"),
        (["tokenizer={shared: true, target: {kind: words}}"], r"tokenizer: .*leave one out"),
        (["task=translate"], r"task: Input should be 'seq2seq', .*received 'translate'"),
        (["data=null"], r'the key "data" is missing'),
        (["train.steps"], r"--set needs key=value"),
        (["train.steps=[1"], r"is not YAML"),
        (["model.preset.x=1"], r"preset is a value, not a section"),
        (["data.source=0"], r"data\.source"),
    ],
)
def test_mistakes(write, overrides, message):
    with pytest.raises(UserError, match=message):
        load_recipe(write(), overrides)


def test_missing_keys_and_files(write, tmp_path):
    with pytest.raises(UserError, match=r'recipe\.yaml: the key "data\.target" is missing'):
        load_recipe(write(data={"train": "x", "source": "a"}))
    with pytest.raises(UserError, match=r"nowhere\.yaml: No such file"):
        load_recipe(tmp_path / "nowhere.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1\nb: 2", encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.yaml is not YAML: .*line 2"):
        load_recipe(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1", encoding="utf-8")
    with pytest.raises(UserError, match=r"list\.yaml is no recipe"):
        load_recipe(tmp_path / "list.yaml")


def test_every_setting_has_a_default_that_is_valid():
    assert Recipe(**Recipe(**GOOD).model_dump()).train.batch_tokens == 4096

"""Recipes: what is accepted, and that every mistake names its field and file."""

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe, recipe_schema, save_recipe
from attention_zoo.tasks.settings import TASKS
from attention_zoo.text.readers import read_examples

GOOD = {
    "model": {"preset": "transformer_tiny", "dropout": 0.2},
    "data": {"train": "train.tsv", "valid": "valid/*.tsv", "source": "zh", "target": "en"},
}


def _fields(section):
    return getattr(section, "model_fields", {})


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
        (["tokenizer.kind=word"], "tokenizer: kind: .*'word'; did you mean \"words\""),
        (["tokenizer.kind=wordpiece"], "wordpiece is for encoders"),
        (["tokenizer={kind: words, algorithm: bpe}"], 'unknown key "algorithm" of words'),
        (["tokenizer.lower_case=true"], 'unknown key "lower_case"'),
        (["data.max_length=9"], 'did you mean "max_target_length"'),
        (["options={problem: number, nonsense: 3}"], 'key "options.problem"; this section has no'),
        (["train.learning_rate={schedule: noam, peak: 1}"], 'unknown key "peak"; noam has'),
        (["train.learning_rate.factor=2"], 'unknown key "factor"; cosine has the keys'),
        (["train.freeze=encoder"], 'unknown key "train.freeze"'),
        (
            ["tokenizer={shared: true, target: {kind: words}}"],
            r"tokenizer: .*remove one of the two",
        ),
        (["task=translate"], r"task: there is no task 'translate'; Accepted: answer, classify"),
        (["data=null"], r'the key "data" is missing'),
        (["train.steps"], r"--set needs key=value"),
        (["train.steps=[1"], r"is not YAML"),
        (["model.preset.x=1"], r"preset is a value, not a section"),
        (["data.source=0"], r"data\.source"),
        (["train.="], "--set needs key=value"),
        (["=1"], "--set needs key=value"),
        (["a.b.c=["], r"--set a\.b\.c=\[: '\[' is not YAML"),
        (["data=x"], r"data: must be a section with the keys train, valid, .*; received 'x'"),
        (
            ["train.learning_rate=0.001"],
            r"the keys schedule, .*received 0\.001; .* use train\.learning_rate\.peak=0\.001",
        ),
        (["train.seed=-1"], r"train\.seed: .*greater than or equal to 0, received -1"),
        (["train.seed=4294967296"], r"train\.seed: .*less than 2147483648"),
        (["train.learning_rate.peak=.nan"], r"peak: Input should be a finite number, received nan"),
        (["train.clip_norm=.inf"], r"clip_norm: Input should be a finite number, received inf"),
        (["train.steps=1e400"], r"train\.steps: .*received '1e400'"),
        (["train.steps=0x" + "f" * 5000], r"train\.steps: a number of more than 64 bits"),
        (["train.steps=" + "9" * 5000], "is not YAML: a value cannot be read: .*4300 digits"),
        (
            ["train.steps=yes"],
            r"train\.steps: Input should be a number, received True; in YAML yes",
        ),
        (["train.batch_tokens=1000000000000"], r"batch_tokens: .*less than or equal to 10000000"),
        (["data.source=no"], r"data\.source: .*received False; in YAML .* in quotes"),
        (["data.source=yes"], r"data\.source: .*received True; in YAML .* in quotes"),
        (["options={no: 2}"], "the key False in options is a boolean .*in quotes"),
        (["data.train={1: a}"], r"the key 1 in data\.train is of the type int.*in quotes"),
        (['data.source="\\ud800"'], r"data\.source contains invalid characters"),
        (['data.train="a\\0b"'], r"data\.train contains invalid characters"),
        (["train.seed=!!set {a}"], r"train\.seed: a set is not a valid setting"),
        (["train.seed=!!timestamp x"], "is not YAML: a value cannot be read"),
        (["data.train=5"], r"data\.train: .*string or a valid list or a valid dict.*received 5$"),
        (["task=[a]"], r"task: there is no task \"\['a'\]\""),
        (["tokenizer.target.kindd=a"], r'target: unknown key "kindd" of .*did you mean "kind"'),
        (["tokenizer.vocab_size=1000000000"], r"vocab_size: .*less than or equal to 10000000"),
        (["options.a=1"], 'unknown key "options.a"; this section has no keys'),
        (["model.preset=transformer_tinny"], r"no preset .*did you mean \"transformer_tiny\""),
        (["evaluate.metrics=[blue]"], r"evaluate\.metrics: .*'blue'; did you mean \"bleu\""),
        (["evaluate.metrics=[bleu, squad_f1]"], "squad_f1 does not apply .*accepted: exact_match"),
        (
            ["evaluate.metrics=[entity_f1]"],
            "entity_f1 does not apply to a task that answers with text",
        ),
        (["evaluate.bleu_tokenize=zhh"], "no tokenization 'zhh'; did you mean \"zh\""),
        (["model.preset=bert_tiny"], "bert_tiny is not a model for this task, seq2seq"),
        (["model.widht=3"], "transformer_tiny has no option 'widht'; did you mean \"width\""),
        (["model.width=abc"], r"recipe\.yaml: model\.width: .*valid integer.*received 'abc'"),
        (["model.num_heads=0"], r"model\.num_heads: .*greater than or equal to 1, received 0"),
        (["model.num_heads=5"], "num_heads must divide the width"),
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
    with pytest.raises(UserError, match=r"list\.yaml is not a recipe"):
        load_recipe(tmp_path / "list.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (
            b"a: 1\nb: 2\na: 3\n",
            r"bad\.yaml is not YAML: duplicate key 'a' in .*line 1 .*line 3",
        ),
        (b"train:\n  {seed: 1, steps: 2, seed: 1}\n", "duplicate key 'seed'"),
        (b"a: 1\nb: \xff\n", r"bad\.yaml, line 2: not UTF-8: byte 0xff"),
        (b"\x7fELF\x00", "is not YAML: unacceptable character"),
        (b"a:\n\tb: 1\n", "YAML indents with spaces"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: &a [*a]\n", "nested too deeply"),
        (b"a: 1   \n" * 200_000, "larger than 1,000,000 bytes"),
        (b"true: 1\n", "the key True is a boolean"),
        (b"? [1]\n: 2\n", "is not YAML: .*unhashable key"),
        (b"a" * 300 + b": 1\n", r"the key 'aaa.*\.\.\..* is not a valid name"),
    ],
)
def test_files_that_are_no_recipe(text, message, tmp_path):
    (tmp_path / "bad.yaml").write_bytes(text)
    with pytest.raises(UserError, match=message) as caught:
        load_recipe(tmp_path / "bad.yaml")
    assert len(str(caught.value)) < 1000


def test_what_is_no_file(tmp_path):
    with pytest.raises(UserError, match="Is a directory"):
        load_recipe(tmp_path)
    with pytest.raises(UserError, match="/dev/zero is not a recipe: it is larger"):
        load_recipe("/dev/zero")


def test_aliases_that_grow_are_refused_and_not_printed(tmp_path):
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match="aliases expanded it has more than 10,000") as caught:
        load_recipe(tmp_path / "bomb.yaml")
    assert len(str(caught.value)) < 300


def test_a_received_value_is_never_long(write):
    with pytest.raises(UserError, match=r"train\.steps: .*received 'xxx") as caught:
        load_recipe(write(), ["train.steps=" + "x" * 100_000])
    assert len(str(caught.value)) < 500


def test_setting_a_value_leaves_what_shared_its_alias(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "model: {preset: transformer_tiny}\n"
        "data: {train: &files {a: a.txt, b: b.txt}, valid: *files, source: a, target: b}\n",
        encoding="utf-8",
    )
    data = load_recipe(path, ["data.valid.a=other.txt"]).data
    assert Path(data.valid["a"]).name == "other.txt"
    assert Path(data.train["a"]).name == "a.txt"


@pytest.mark.parametrize(
    ("problem", "metrics", "accepted"),
    [
        ("one", "squad_f1", "exact_match, accuracy, macro_f1"),
        ("several", "macro_f1", "exact_match, accuracy, micro_f1"),
        ("number", "accuracy", "pearson, spearman"),
    ],
)
def test_metrics_are_for_the_problem_of_a_classification(problem, metrics, accepted, write):
    changes = {"task": "classify", "model": {"preset": "bert_tiny"}}
    path = write(**changes, data={"train": "a.tsv", "text": 1, "label": 2})
    overrides = [f"options.problem={problem}", f"evaluate.metrics=[{metrics}]"]
    with pytest.raises(UserError, match=rf"evaluate\.metrics: .*{metrics} .*accepted: {accepted}$"):
        load_recipe(path, overrides)
    load_recipe(path, [overrides[0], f"evaluate.metrics=[{accepted}]"])


def test_columns_may_look_like_dates_and_rates_like_words(write):
    recipe = load_recipe(write(), ["data.source=2021-01-01", "train.learning_rate.peak=1e-4"])
    assert recipe.data.source == "2021-01-01"
    assert recipe.train.learning_rate.peak == 1e-4


def test_a_section_of_comments_is_none(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"train:\n  # steps: 3\n{yaml.safe_dump(GOOD)}", encoding="utf-8")
    assert load_recipe(path).train.steps == 10_000


# What a person, or a script, may write in a recipe.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["seq2seq", "bert_tiny", "transformer_tiny", "bleu", "classify", "words"])
)


def _fields_of_sections(recipe):
    return [name for s in recipe.model_fields.values() for name in _fields(s.annotation)]


SECTIONS = [*TASKS["seq2seq"].model_fields]
NAMES = sorted(
    {
        *SECTIONS,
        *(
            n
            for r in TASKS.values()
            for s in r.model_fields.values()
            for n in _fields(s.annotation)
        ),
    }
    | {"width", "num_heads", "problem", "x"}
)
KEYS = st.sampled_from(NAMES) | st.text(max_size=5) | st.integers(0, 3) | st.booleans()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(
    content=st.dictionaries(st.sampled_from(SECTIONS) | KEYS, VALUES, max_size=6),
    base=st.booleans(),
)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_whatever_a_recipe_holds_it_is_one_or_a_clear_mistake(content, base):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(yaml.safe_dump({**(GOOD if base else {}), **content}), encoding="utf-8")
        _is_recipe_or_mistake(path, [])


@given(
    text=st.binary(max_size=60)
    | st.text("abt:- \n{}[]&*!|>?%@`\"'#,~.0123\t=<", max_size=60).map(str.encode)
)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_whatever_the_text_of_a_recipe(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_bytes(text)
        _is_recipe_or_mistake(path, [])


PATHS = st.lists(st.sampled_from(NAMES) | st.text(max_size=3), max_size=3).map(".".join)
ASSIGNED = st.text(max_size=8) | VALUES.map(lambda value: yaml.safe_dump(value).strip())


@given(st.lists(st.tuples(PATHS, ASSIGNED).map("=".join) | st.text(max_size=12), max_size=3))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_whatever_is_set(overrides):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(yaml.safe_dump(GOOD), encoding="utf-8")
        _is_recipe_or_mistake(path, overrides)


def test_the_schema_names_and_describes_every_field_of_every_task():
    schema = recipe_schema()
    assert len(schema["oneOf"]) == len(TASKS)
    for name, section in schema["$defs"].items():
        for field, about in section["properties"].items():
            has_words = {"description", "$ref", "const"} & about.keys() or field == "learning_rate"
            assert has_words or name.endswith("Recipe"), (name, field)


def _is_recipe_or_mistake(path, overrides):
    try:
        recipe = load_recipe(path, overrides)
    except UserError as error:
        assert len(str(error)) < 20_000
        return
    save_recipe(recipe, path)
    assert load_recipe(path) == recipe


def test_every_setting_has_a_default_that_is_valid():
    recipe = TASKS["seq2seq"](**GOOD)
    assert type(recipe)(**recipe.model_dump()) == recipe
    assert recipe.train.batch_tokens == 4096

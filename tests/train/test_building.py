"""From recipes to tasks, with fresh weights or pretrained ones."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.testing import assert_array_equal
from reference.sweeps import quick_and_slow

from attention_zoo.errors import UserError
from attention_zoo.pretrained import pretrained_tasks
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe, train_seeds
from attention_zoo.tasks.loading import load_task
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.zoo import Transformer
from attention_zoo.zoo.weights import saved_weights

MODEL = {
    "preset": "bert_tiny",
    "width": 16,
    "num_blocks": 1,
    "num_heads": 2,
    "feed_forward_width": 24,
}
ROWS = [("good film", "up"), ("bad film", "down"), ("good good", "up"), ("odd one", "other")]
ANSWERS = json.dumps([{"text": "one", "answer_start": 0}])
CASES = {
    "classify": ({"text": 1, "label": 2}, ROWS),
    "tag": ({"text": 1, "label": 2}, [("good film", "B-X O"), ("bad", "O")]),
    "answer": ({"question": 1, "context": 2, "answers": 3}, [("who ?", "one two", ANSWERS)] * 3),
    "embed": ({"text": 1, "pair": 2}, ROWS),
    "fill_mask": ({"text": 1}, [(text,) for text, _ in ROWS]),
}


def write_recipe(folder, task, model=MODEL, **more):
    columns, rows = CASES[task]
    text = "".join("\t".join(row) + "\n" for row in rows * 5)
    (folder / f"{task}.tsv").write_text(text)
    recipe = {
        "task": task,
        "model": model,
        "data": {"train": f"{task}.tsv", "valid": f"{task}.tsv", **columns},
        "tokenizer": {"vocab_size": 60},
        "train": {"steps": 2, "evaluate_every": 2, "batch_tokens": 64, "buckets": 1},
    }
    path = folder / f"{task}.yaml"
    path.write_text(yaml.safe_dump({**recipe, **more}))
    return path


@pytest.fixture
def write(tmp_path):
    return functools.partial(write_recipe, tmp_path)


@pytest.mark.parametrize("task", quick_and_slow(list(CASES), ["answer", "classify"]))
def test_every_task_is_trained_from_a_recipe(task, write, tmp_path):
    path = write(task)
    trained, figures = train_recipe(load_recipe(path), tmp_path / "run")
    assert figures["steps"] == 2
    assert set(figures["valid"]) == {"loss", *trained.metrics}
    loaded = load_task(tmp_path / "run")
    assert loaded.kind == task
    assert loaded.fields == tuple(load_recipe(path).columns)
    example = [*CASES[task][1][0]]
    texts = [loaded.input_of(example)]
    assert loaded(texts) == trained(texts)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The folder of an encoder that was trained to fill masks."""
    folder = tmp_path_factory.mktemp("base")
    train_recipe(load_recipe(write_recipe(folder, "fill_mask")), folder / "base")
    return folder / "base"


@pytest.mark.parametrize("task", CASES)
def test_pretrained_encoders_are_taken_over(task, write, tmp_path, base):
    (tmp_path / "base").symlink_to(base)
    base = load_task(base)
    path = write(task, model={"pretrained": "base", "dropout": 0.3})
    recipe = load_recipe(path)
    made = recipe.build([tuple(row) for row in CASES[task][1]])
    encoder = getattr(made.model, "bert", made.model)
    assert encoder.dropout == 0.3
    assert made.tokenizer.vocabulary == base.tokenizer.vocabulary
    for name in ("token_embedding", "segment_embedding", "position"):
        assert_array_equal(getattr(encoder, name).table, getattr(base.model.bert, name).table)
    kernels = [
        m.blocks[0].self_attention.query_key_value.kernel for m in (encoder, base.model.bert)
    ]
    assert_array_equal(*kernels)


@pytest.mark.parametrize(
    ("rows", "keeps"), [(ROWS, True), (ROWS[:2], True), ([*ROWS[:2], ("x", "new")], False)]
)
def test_a_head_is_taken_over_where_it_means_the_same(rows, keeps, write, tmp_path):
    base, _ = train_recipe(load_recipe(write("classify")), tmp_path / "base")
    recipe = load_recipe(write("classify", model={"pretrained": "base"}))
    made = recipe.build(rows)
    assert made.model.num_outputs == base.model.num_outputs == 3
    same = np.array_equal(made.model.head.kernel, base.model.head.kernel)
    assert same == (made.labels == base.labels) == keeps
    assert_array_equal(made.model.bert.position.table, base.model.bert.position.table)


def test_an_encoder_of_another_shape_is_no_base(write, tmp_path):
    train_recipe(load_recipe(write("fill_mask")), tmp_path / "base")
    recipe = load_recipe(write("classify", model={"pretrained": "base", "max_length": 20}))
    with pytest.raises(UserError, match=r"base does not fit the model: position/table: shape"):
        recipe.build(ROWS)


def test_labels_and_weights(write):
    recipe = load_recipe(write("classify", options={"class_weights": "balanced"}))
    task = recipe.build(ROWS)
    assert task.labels == ["down", "other", "up"]
    assert task.class_weights == pytest.approx([4 / 3, 4 / 3, 2 / 3])
    given = load_recipe(write("classify", options={"class_weights": {"up": 2}}))
    assert given.build(ROWS).class_weights == [1.0, 1.0, 2.0]


def test_defaults_are_those_of_encoders(write):
    recipe = load_recipe(write("classify"), ["train.learning_rate.warmup=3"])
    rate = recipe.train.learning_rate
    assert (rate.schedule, rate.peak, rate.warmup) == ("linear", 1e-4, 3)
    assert (recipe.train.weight_decay, recipe.train.label_smoothing) == (0.01, 0.0)
    assert load_recipe(write("classify"), ["train.beta_2=0.9"]).train.beta_2 == 0.9


@pytest.mark.parametrize(
    ("task", "overrides", "message"),
    [
        ("classify", ["data.label=null"], r"data\.label: Input should be .*received None"),
        ("classify", ["data.source=1"], 'unknown key "data.source"; Accepted: label'),
        ("classify", ["options.problm=one"], 'key "options.problm"; did you mean "problem"'),
        (
            "classify",
            ["options={problem: number, class_weights: {a: 2}}"],
            "class_weights are for labels",
        ),
        (
            "classify",
            ['options.class_weights={"no": 1}'],
            "class_weights must be .*down, other, up",
        ),
        ("classify", ["model.preset=transformer_tiny"], "transformer_tiny is not a model for"),
        ("classify", ["model.widht=3"], "no option 'widht'; did you mean \"width\""),
        (
            "classify",
            ["tokenizer.kind=words"],
            "Input should be 'wordpiece', received 'words'",
        ),
        ("classify", ["model={pretrained: nowhere}"], "nowhere is not a task"),
        ("classify", ["model.pretrained=x"], "give either a preset or a pretrained run"),
        (
            "answer",
            ["options.stride=0"],
            r"options\.stride: .*greater than or equal to 1, received 0",
        ),
        (
            "embed",
            ["options.pooling=sum"],
            r"options\.pooling: Input should be 'mean', 'cls', 'max', .* received 'sum'",
        ),
        ("classify", ["evaluate.beam_size=4"], 'unknown key "evaluate.beam_size"'),
        ("classify", ["evaluate.replace_unknown=false"], 'key "evaluate.replace_unknown"'),
        ("classify", ["data.max_source_length=9"], 'did you mean "max_length"'),
        ("classify", ["tokenizer.shared=false"], 'unknown key "tokenizer.shared"'),
        ("classify", ["train.scheduled_sampling=0.1"], 'unknown key "train.scheduled_sampling"'),
        ("classify", ["train.learning_rate={schedule: noam, peak: 1}"], 'unknown key "peak"'),
        ("tag", ["options.problem=number"], "this section has no keys"),
        ("fill_mask", ["train.freeze=7"], "there are 1 blocks, received 7"),
        ("fill_mask", ["data.max_length=2"], r"data\.max_length: .*greater than 3"),
    ],
)
def test_mistakes(task, overrides, message, write, tmp_path):
    path = write(task)
    with pytest.raises(UserError, match=message):
        train_recipe(load_recipe(path, overrides), tmp_path / "run")


def test_several_seeds(write, tmp_path):
    recipe = load_recipe(write("classify"))
    report = train_seeds(recipe, tmp_path / "runs", [3, 5])
    values = report["valid"]["accuracy"]["values"]
    for seed, value in zip((3, 5), values, strict=True):
        figures = json.loads((tmp_path / "runs" / f"seed-{seed}" / "report.json").read_text())
        assert figures["valid"]["accuracy"] == value
        assert load_recipe(tmp_path / "runs" / f"seed-{seed}" / "recipe.yaml").train.seed == seed
    assert report["valid"]["loss"]["mean"] == pytest.approx(
        np.mean(report["valid"]["loss"]["values"])
    )
    deviation = np.std(report["valid"]["loss"]["values"], ddof=1)
    assert report["valid"]["loss"]["deviation"] == pytest.approx(deviation)
    assert json.loads((tmp_path / "runs" / "report.json").read_text()) == report
    best = load_task(tmp_path / "runs" / f"seed-{report['best']}")
    assert load_task(tmp_path / "runs").predict(["good"]) == best.predict(["good"])
    with pytest.raises(UserError, match="choose another --out"):
        train_seeds(recipe, tmp_path / "runs", [3])
    with pytest.raises(UserError, match=r"data\.valid is missing"):
        train_seeds(load_recipe(write("classify"), ["data.valid=null"]), tmp_path / "x", [3])


def test_frozen_weights_stay(write, tmp_path):
    recipe = load_recipe(write("classify"), ["train.freeze=encoder"])
    start = recipe.build(ROWS)
    before = [np.asarray(w) for w in start.model.bert.get_weights()]
    head = start.model.head.kernel.numpy()
    start.fit(ROWS * 5, steps=2, batch_tokens=64, freeze="encoder")
    for old, new in zip(before, start.model.bert.get_weights(), strict=True):
        assert_array_equal(old, new)
    assert np.abs(start.model.head.kernel.numpy() - head).max() > 0


@pytest.fixture
def resumed(tmp_path):
    """A function that writes a task to begin with, and a recipe for it."""

    def write_recipe(**more):
        tokenizer = CharacterTokenizer("abcdefgh 01")
        model = Transformer(
            tokenizer.vocab_size,
            width=16,
            num_heads=2,
            feed_forward_width=24,
            num_encoder_blocks=1,
            num_decoder_blocks=1,
            max_length=16,
        )
        base = Seq2Seq(model, tokenizer, max_target_length=12)
        base.save(tmp_path / "base")
        (tmp_path / "data.tsv").write_text("a b\t0\nb a\t1\n")
        recipe = {
            "task": "seq2seq",
            "model": {"pretrained": "base", "dropout": 0.3},
            "data": {"train": "data.tsv", "source": 1, "target": 2, "max_target_length": 6},
        }
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({**recipe, **more}))
        return base, load_recipe(path)

    return write_recipe


def test_a_sequence_model_goes_on_from_another(resumed):
    base, recipe = resumed()
    task = recipe.build([("a b", "0")])
    assert task.model.dropout == 0.3
    assert (task.max_source_length, task.max_target_length) == (16, 6)
    ours_and_theirs = zip(
        saved_weights(task.model).values(), saved_weights(base.model).values(), strict=True
    )
    for ours, theirs in ours_and_theirs:
        assert_array_equal(ours.numpy(), theirs.numpy())
    assert task(["a b", "cab"], max_length=6) == base(["a b", "cab"], max_length=6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"model": {"pretrained": "base", "width": 8}}, "does not fit the model"),
        ({"model": {"pretrained": "base", "widht": 8}}, 'did you mean "width"'),
        ({"tokenizer": {"kind": "characters"}}, r"model\.pretrained has its own"),
    ],
)
def test_what_cannot_be_changed_on_the_way(resumed, more, message):
    _, recipe = resumed(**more)
    with pytest.raises(UserError, match=message):
        recipe.build([("a b", "0")])


def test_a_pretrained_task_by_its_name(resumed):
    _, recipe = resumed(model={"pretrained": "g2p_rnn"})
    assert Path(recipe.model.pretrained) == pretrained_tasks()["g2p_rnn"]

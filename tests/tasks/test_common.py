"""What holds for every task. A new task needs an entry in `KINDS`."""

import json

import keras
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.checksums import verify_checksums, write_checksums
from attention_zoo.errors import UserError
from attention_zoo.tasks.answer.task import QuestionAnswering
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.fill_mask.task import FillMask
from attention_zoo.tasks.loading import TASKS, load_task
from attention_zoo.tasks.rank.task import Rank
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.tasks.tag.task import Tag
from attention_zoo.testing import TASK_CHECKS, TaskCase
from attention_zoo.testing.check import randomize
from attention_zoo.testing.tasks import training_lowers_the_loss
from attention_zoo.zoo import Bert, BertClassifier, BertPretrainer, BertTokenClassifier, Transformer

TEXTS = ["alpha beta", "gamma", "你好 alphas , delta ? beta", "", "é e gamma . who"]
KINDS = {
    "classify": (
        lambda enc, tok: Classify(BertClassifier(3, enc), tok, ["x", "y", "z"], max_length=20),
        [(text, "xyz"[i % 3]) for i, text in enumerate(TEXTS)],
    ),
    "classify pairs, several": (
        lambda enc, tok: Classify(
            BertClassifier(2, enc),
            tok,
            ["x", "y"],
            "several",
            fields=("text", "pair", "label"),
            threshold=0.48,
        ),
        [(text, "beta", "x,y" if i else "") for i, text in enumerate(TEXTS)],
    ),
    "classify, a number": (
        lambda enc, tok: Classify(BertClassifier(1, enc), tok, problem="number"),
        [(text, str(i / 2)) for i, text in enumerate(TEXTS)],
    ),
    "tag": (
        lambda enc, tok: Tag(BertTokenClassifier(3, enc), tok, ["O", "B-X", "I-X"]),
        [(text, " ".join(["O"] * len(text.split()))) for text in TEXTS],
    ),
    "answer": (
        lambda enc, tok: QuestionAnswering(
            BertTokenClassifier(2, enc), tok, 10, stride=2, no_answer=True, threshold=0.3
        ),
        [("who ?", text, "[]") for text in TEXTS],
    ),
    "embed": (
        lambda enc, tok: Embed(
            Bert(**enc), tok, "max", normalize=False, fields=("text", "pair", "score")
        ),
        [(text, "beta", str(i / 10)) for i, text in enumerate(TEXTS)],
    ),
    "fill_mask": (
        lambda enc, tok: FillMask(BertPretrainer(enc), tok, whole_words=True, seed=3),
        [(text.replace(" ", "\n", 1) or "beta",) for text in TEXTS],
    ),
    "rank": (
        lambda enc, tok: Rank(BertClassifier(1, enc), tok, "identity"),
        [("who ?", text, str(i % 2)) for i, text in enumerate(TEXTS)],
    ),
    "seq2seq": (
        lambda enc, tok: Seq2Seq(
            Transformer(
                tok.vocab_size,
                width=12,
                num_heads=3,
                feed_forward_width=8,
                num_encoder_blocks=1,
                num_decoder_blocks=1,
                max_length=20,
            ),
            tok,
            beam_size=2,
        ),
        [(text, " ".join(text.split()[::-1]) or "beta") for text in TEXTS],
    ),
}
ENCODERS = [name for name in KINDS if name != "seq2seq"]


@pytest.fixture(scope="module")
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def case(kind, encoder, tokenizer):
    keras.utils.set_random_seed(1)
    build, examples = KINDS[kind]
    task = build(encoder, tokenizer)
    task.examples = examples
    randomize(task.model)
    return TaskCase(task, examples, loss_draws=kind == "fill_mask")


@pytest.fixture
def task(case):
    return case.task


@pytest.fixture
def examples(case):
    return case.examples


every_kind = pytest.mark.parametrize("kind", KINDS, indirect=True)
every_encoder = pytest.mark.parametrize("kind", ENCODERS, indirect=True)


def test_every_kind_is_here():
    assert {name.split()[0].rstrip(",") for name in KINDS} == TASKS.keys()


# `tests/train/test_building.py` trains every task, too.
_TRAINED = ("classify", "answer", "fill_mask", "seq2seq")
# Variants of "classify"; a reranker is one with another name for its answer.
_VARIANTS = ("classify pairs, several", "classify, a number", "rank")


def is_slow(check, kind):
    """Whether a check adds little to the others, for the time that it takes."""
    return kind in _VARIANTS or (check is training_lowers_the_loss and kind not in _TRAINED)


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        pytest.param(
            check,
            kind,
            id=f"{check.__name__}-{kind}",
            marks=[pytest.mark.slow] * is_slow(check, kind),
        )
        # All checks of a kind in a row, which have one task.
        for kind in KINDS
        for check in TASK_CHECKS
    ],
    indirect=["kind"],
)
def test_task(check, case, kind):
    if not check.applies(case):
        assert (kind, check.__name__) in [("embed", "batch_changes_no_answer")]
        return
    check(case, **({"ratio": 0.9} if check is training_lowers_the_loss else {}))


@pytest.mark.parametrize("kind", ["embed"], indirect=True)
def test_the_rest_of_the_batch_changes_no_embedding(case, task):
    for text, prediction in zip(case.texts, task.predict(case.texts), strict=True):
        (alone,) = task.predict([text])
        assert_allclose(alone.record["embedding"], prediction.record["embedding"], atol=1e-5)


@every_kind
def test_no_examples_have_no_references(task):
    # As after a training without validation data.
    assert task.references([]) == []


@every_encoder
def test_an_answer_is_a_line(case, task):
    for prediction in task.predict(case.texts):
        assert prediction.lines == [prediction.text]


@every_encoder
def test_many_examples_are_cut_some_at_a_time(task, examples, monkeypatch):
    expected = task.to_ids(examples)
    for module in ("tasks.encoder_task", "text.tokenizer"):
        monkeypatch.setattr(f"attention_zoo.{module}.CHUNK", 2)
    found = task.to_ids(examples)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for array, wanted in zip(ours, theirs, strict=True):
            assert_array_equal(array, wanted)


@every_encoder
def test_weights_in_half_precision(task, tmp_path):
    task.save(tmp_path / "task", dtype="float16")
    loaded = load_task(tmp_path / "task")
    for ours, theirs in zip(task.model.weights, loaded.model.weights, strict=True):
        if not ours.path.endswith("seed_generator_state"):
            assert theirs.dtype == "float32"
            assert_array_equal(theirs.numpy(), ours.numpy().astype("float16"))


@every_encoder
def test_a_weight_too_large_for_half_precision(task, tmp_path):
    weight = task.model.trainable_variables[0]
    before = weight.numpy()
    weight.assign(before + 1e5)
    with pytest.raises(UserError, match="a value too large for float16"):
        task.save(tmp_path / "task", dtype="float16")
    weight.assign(before)
    assert not (tmp_path / "task").exists()


def test_checksums_may_be_written_again(tmp_path):
    (tmp_path / "file").write_text("content")
    for _ in range(2):
        write_checksums(tmp_path)
        verify_checksums(tmp_path, ["file"])


@every_encoder
def test_a_setting_is_missing(task, tmp_path):
    task.save(tmp_path / "task")
    path = tmp_path / "task" / "task.json"
    config = json.loads(path.read_text())
    del config["max_length"]
    path.write_text(json.dumps(config))
    (tmp_path / "task" / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match=r"task\.json lacks max_length"):
        load_task(tmp_path / "task")


@every_encoder
@pytest.mark.parametrize("options", [{"beam_size": 2}, {"n_best": 99}])
def test_foreign_options(options, task, examples):
    with pytest.raises(UserError, match=r"has no option 'beam_size'|n_best"):
        task.predict([task.input_of(examples[0])], **options)


@every_encoder
def test_the_wrong_number_of_columns(task):
    with pytest.raises(UserError, match="number 1 has 4"):
        task.predict([("a", "b", "c", "d")])
    with pytest.raises(TypeError, match=r"write task\(\[text\]\)"):
        task("alpha")

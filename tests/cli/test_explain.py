"""`explain` and the pictures, in this process."""

import json
from importlib import resources

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from attention_zoo.commands import app
from attention_zoo.errors import UserError
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.engine import Engine
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.viewer.explanation import explain
from attention_zoo.zoo import BertClassifier, RNNAttention, Transformer

TOKENIZER = CharacterTokenizer("abc二 $")


@pytest.fixture(scope="module")
def transformer():
    keras.utils.set_random_seed(1)
    sizes = {"width": 12, "num_heads": 3, "feed_forward_width": 8, "max_length": 8}
    model = Transformer(
        TOKENIZER.vocab_size, **sizes, num_encoder_blocks=1, num_decoder_blocks=2
    )  # fmt: skip
    return Seq2Seq(model, TOKENIZER)


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(2)
    sizes = {"vocab_size": 8, "width": 8, "num_blocks": 2, "num_heads": 2, "max_length": 16}
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b", "##c"])
    return Classify(BertClassifier(2, sizes), tokenizer, ["x", "y"], fields=("a", "b", "label"))


def recurrent(attention):
    return Seq2Seq(
        RNNAttention(TOKENIZER.vocab_size, width=8, attention=attention, max_length=8), TOKENIZER
    )


def test_where_a_decoder_looked(transformer):
    [attended] = transformer.attention("ab", "cba")
    weights = attended.views["cross"].weights
    found = explain(transformer, "ab", "cba").map()
    assert (found.tokens, found.attended) == (["c", "b", "a", "</s>"], ["a", "b", "</s>"])
    assert (found.block, found.head) == (2, None)
    assert_allclose(found.weights, weights[1].mean(axis=0))
    assert_allclose(found.weights.sum(axis=1), 1.0, rtol=1e-5)
    one = explain(transformer, "ab", "cba").map(block=1, head=3)
    assert_allclose(one.weights, weights[0, 2])
    assert explain(transformer, "ab").map().answer == transformer(["ab"])[0]


def test_where_a_recurrent_decoder_looked():
    task = recurrent("additive")
    found = explain(task, "abc", "二a").map()
    assert found.weights.shape == (3, 4)
    assert_allclose(found.weights.sum(axis=1), 1.0, rtol=1e-5)
    with pytest.raises(UserError, match="this model has no attention to show"):
        explain(recurrent("none"), "abc")


def test_where_an_encoder_looked(encoder):
    found = explain(encoder, ("a bc", "b")).map(block=1)
    assert found.tokens == found.attended == ["[CLS]", "a", "b", "##c", "[SEP]", "b", "[SEP]"]
    inputs = encoder.inputs_of([("a bc", "b")])
    ids = {name: inputs[name] for name in ("token_ids", "segment_ids", "mask")}
    assert_allclose(found.weights, np.mean(encoder.model.attention_weights(ids)[0, 0], axis=0))
    assert found.answer is None


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ab", {"block": 3}, "block must be from 1 to 2, received 3"),
        ("ab", {"block": 0}, "block must be from 1 to 2, received 0"),
        ("ab", {"head": 4}, "head must be from 1 to 3, received 4"),
        (" ", {}, "there is no text to explain"),
    ],
)
def test_what_cannot_be_explained(transformer, text, options, message):
    with pytest.raises(UserError, match=message):
        explain(transformer, text).map(**options)


def test_answers_are_for_sequences(encoder, monkeypatch):
    with pytest.raises(UserError, match="this one is classify"):
        explain(encoder, ("a", "b"), "x")
    with pytest.raises(UserError, match=r"each input must have 2 texts \(text, pair\)"):
        explain(encoder, "a")
    monkeypatch.setattr(encoder, "engine", Engine())
    with pytest.raises(UserError, match="an artefact gives no attention here"):
        explain(encoder, ("a", "b"))


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_pictures(transformer, suffix, tmp_path):
    """Also of what matplotlib takes for mathematics."""
    found = explain(transformer, "a$b$", "$$c")
    found.save(tmp_path / f"a.{suffix}")
    begins = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[suffix]
    assert (tmp_path / f"a.{suffix}").read_bytes().startswith(begins)
    with pytest.raises(UserError, match=r"a page or a picture ends in \.html, \.png, \.pdf, \.svg"):
        found.save(tmp_path / "a.gif")


def test_fonts(transformer, tmp_path):
    found, said = explain(transformer, "a二", "二"), []
    found.save(tmp_path / "a.png", warn=said.append)
    assert [line.split(": ")[1] for line in said] == ["the font lacks '二'"]
    font = resources.files("attention_zoo.recipes.dates") / "DroidSansFallback-dates.ttf"
    explain(transformer, "二", "二").save(tmp_path / "b.png", font, said.append)
    assert "'二'" not in "".join(said[1:])
    (tmp_path / "no.ttf").write_text("no font")
    for name, reason in (("no.ttf", "cannot read it"), ("nothing.ttf", "No such file")):
        with pytest.raises(UserError, match=f"{name} is not a font file: .*{reason}"):
            found.save(tmp_path / "c.png", tmp_path / name)
    assert not (tmp_path / "c.png").exists()


def test_the_command(transformer, tmp_path):
    transformer.save(tmp_path / "run" / "task")
    run, invoke = str(tmp_path / "run"), CliRunner().invoke
    result = invoke(app, ["explain", run, "--text", "a b", "--answer", "cb", "--json"])
    record = json.loads(result.stdout)
    assert record["answer"] == "cb"
    assert record["tokens"] == ["c", "b", "</s>"]
    assert np.shape(record["weights"]) == (3, 4)
    assert (record["block"], record["head"]) == (2, None)
    lines = invoke(app, ["explain", run, "--text", "a b", "--answer", "cb"]).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["c", "b", "end"]
    assert sorted(part.split()[0] for part in lines[0].split("\t")[1:])[0] in ("_", "a", "b", "end")
    out = tmp_path / "new" / "a.png"
    result = invoke(app, ["explain", run, "--text", "ab", "--out", str(out)])
    assert result.stdout == ""
    assert out.read_bytes().startswith(b"\x89PNG")

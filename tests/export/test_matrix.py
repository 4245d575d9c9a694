"""The page that says which task has which format says what the code does, and it is so."""

import re
from pathlib import Path

import numpy as np
import pytest
from reference.encoder_tasks import make
from typer.testing import CliRunner

from attention_zoo.commands import app
from attention_zoo.export.export import export
from attention_zoo.export.formats import FORMATS, QUANTIZATIONS
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.zoo import RNNAttention, Transformer

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")


def rows(first):
    """The cells of the table whose header begins with a word."""
    table = re.search(rf"\| {first} \|(?:.*\n)(?:\|.*\n)+", PAGE).group()
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]


def tasks():
    """A task of each column."""
    pieces = SentencePieceTokenizer.train(["a b", "b a", "ab"], 8)
    return {
        "seq2seq, Transformer": Seq2Seq(
            Transformer(pieces.vocab_size, width=8, num_heads=1), pieces
        ),
        "seq2seq, RNN": Seq2Seq(RNNAttention(pieces.vocab_size, width=8), pieces),
        "seq2seq, RNN with Luong's attention": Seq2Seq(
            RNNAttention(pieces.vocab_size, width=8, attention="luong"), pieces
        ),
        **{kind: make(kind)[0] for kind in ("classify", "tag", "answer", "embed", "fill_mask")},
    }


def test_formats():
    header, _, *table = rows("format")
    assert [row[0].strip("`") for row in table] == list(FORMATS)
    columns = tasks()
    assert header[1:] == list(columns)
    for name, *cells in table:
        for task, cell in zip(columns.values(), cells, strict=True):
            assert cell.startswith("no (" if FORMATS[name.strip("`")].why_not(task) else "yes")


def test_quantisations():
    _, _, *table = rows("quantisation")
    assert [row[0].strip("`") for row in table] == list(QUANTIZATIONS)
    named = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in table}
    named["dynamic_int8"] = named["float16"]
    for quantize in QUANTIZATIONS[1:]:
        assert named[quantize] == [
            name for name, form in FORMATS.items() if quantize in form.quantizations
        ]


TEXTS = ["alpha beta", "beta", "gamma alpha gamma", "delta beta alpha", "beta gamma", "delta"] * 4
FAMILIES = {
    "Transformer": lambda size: Transformer(size, size, width=32, num_heads=4, max_length=24),
    "RNN": lambda size: RNNAttention(size, size, width=32, max_length=24),
    "RNN, Luong": lambda size: RNNAttention(
        size, size, width=32, attention="luong", cell="lstm", max_length=24
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_cell_of_sequence_to_sequence(family, tmp_path):
    """Those of encoders are in `test_encoders.py`."""
    pieces = SentencePieceTokenizer.train(TEXTS, 19)
    model = FAMILIES[family](pieces.vocab_size)
    rng = np.random.default_rng(4)
    for variable in model.trainable_variables:
        variable.assign_add(rng.normal(0, 0.2, variable.shape))
    task = Seq2Seq(model, pieces, beam_size=2, max_target_length=10)
    task.metrics = ("chrf",)
    examples = [(text, text[::-1]) for text in TEXTS[:6]]
    formats = [name for name, form in FORMATS.items() if not form.why_not(task)]
    report = export(task, tmp_path / "out", formats, QUANTIZATIONS, examples, max_drop=100)
    made = {(artefact["format"], artefact["quantize"]) for artefact in report["artefacts"]}
    assert made == {(f, q) for f in formats for q in FORMATS[f].quantizations_for(task)}
    for artefact in report["artefacts"]:
        assert artefact["verified"], artefact["failure"]
        if artefact["quantize"] == "none":
            assert artefact["max_abs_diff"] < 1e-4
        else:
            assert artefact["cosine"] > 0.95


def test_the_command_line_names_all():
    shown = CliRunner().invoke(app, ["export", "--help"], env={"COLUMNS": "400"}).output
    words = set(re.findall(r"\w+", shown))
    assert set(FORMATS) | set(QUANTIZATIONS) <= words

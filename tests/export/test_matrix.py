"""The page that says which task has which format says what the code does."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

from attention_zoo.export.formats import FORMATS, QUANTIZATIONS
from attention_zoo.tasks.seq2seq import Seq2Seq
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.train import recipe
from attention_zoo.zoo import RNNAttention, Transformer

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def rows(first):
    """The cells of the table whose header begins with a word."""
    table = re.search(rf"\| {first} \|(?:.*\n)(?:\|.*\n)+", PAGE).group()
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]


def tasks():
    """Something of each column, that answers what formats ask."""
    pieces = SentencePieceTokenizer.train(["a b", "b a", "ab"], 8)
    encoder = {
        "text_inputs": ("text",),
        "problem": "one",
        "tokenizer": SimpleNamespace(lower_case=True, strip_accents=None),
    }
    return {
        "seq2seq, Transformer": Seq2Seq(
            Transformer(pieces.vocab_size, width=8, num_heads=1), pieces
        ),
        "seq2seq, RNN": Seq2Seq(RNNAttention(pieces.vocab_size, width=8), pieces),
        **{
            kind: SimpleNamespace(kind=kind, **encoder)
            for kind in ("classify", "tag", "answer", "embed", "fill_mask")
        },
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


def test_recipes_take_every_name():
    assert get_args(recipe._Format) == tuple(FORMATS)
    assert get_args(recipe._Quantization) == QUANTIZATIONS

"""Answers to examples that a seed draws."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest

from attention_zoo.loading import load as load_task

SCRIPT = Path(__file__).parents[1] / "examples" / "samples.py"
WORDS = ["attention", "zoo", "banana", "memory", "query", "beam"]


def script():
    spec = importlib.util.spec_from_file_location("samples", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_page(monkeypatch, folder, *options):
    lines = ["word\tphonemes", *(f"{word}\tA | B" for word in WORDS)]
    (folder / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = ["g2p_rnn", "--data", str(folder / "data.tsv"), "--out", str(folder / "page.md")]
    monkeypatch.setattr(sys, "argv", ["samples.py", *arguments, *options])
    script().main()
    return (folder / "page.md").read_text(encoding="utf-8")


def test_the_seed_draws_and_the_task_answers(tmp_path, monkeypatch):
    page = make_page(monkeypatch, tmp_path, "--count=4", "--seed=3", "--attention=1")
    drawn = random.Random(3).sample(WORDS, 4)
    answers = load_task("g2p_rnn")(drawn)
    rows = [f"| {w} | A \\| B | {a} |" for w, a in zip(drawn, answers, strict=True)]
    picture = "![Attention of the answer to example 1](page-1.png)"
    head = ["| word | phonemes (reference) | answer |", "|---|---|---|"]
    assert page == "\n".join([*head, *rows]) + f"\n\n{picture}\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.tsv", "page-1.png", "page.md"]


@pytest.mark.parametrize(("text", "cell"), [("a*b", "a\\*b"), (" x\ty ", "x y"), ("<b>", "\\<b>")])
def test_markup_in_a_cell_is_text(text, cell):
    assert script().table([["x"], [text]]).splitlines()[2] == f"| {cell} |"


def test_a_long_text_is_cut():
    cell = script().table([["x"], ["word " * 200]]).splitlines()[2]
    assert cell.endswith("word ... |")
    assert len(cell) < 420

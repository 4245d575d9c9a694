"""The scripts that make data of Debian's descriptions, on lists written here."""

import importlib
import json
import lzma
import random
import sys

import pytest

from attention_zoo.text.readers import read_examples

ENTRIES = [
    ("abc", "games", "Game of letters", "A game. It is fun.\n .\n Play it."),
    ("abc-data", "games", "Data of it", "A game. It is fun.\n .\n Only data."),
    ("dev", "libdevel", "Headers", "Headers for it."),
    ("mail", "mail", "Mail\treader", "Mail is a small reader of mail, that reads.\n Written in C."),
]


def lists(folder, more=()):
    """The two lists, as a mirror has them."""
    packages, translations = [], []
    for i, (name, section, title, body) in enumerate([*ENTRIES, *more]):
        digest = f"{i:032x}"
        packages.append(
            f"Package: {name}\nVersion: 1\nDepends: a,\n b\nSection: {section}\n"
            f"Description: {title}\nDescription-md5: {digest}\n"
        )
        lines = body.replace("\n ", "\n").split("\n")
        text = "".join(f"\n {line}" for line in lines)
        translations.append(
            f"Package: {name}\nDescription-md5: {digest}\nDescription-en: {title}{text}\n"
        )
    paths = folder / "Packages.xz", folder / "Translation-en"
    with lzma.open(paths[0], "wt", encoding="utf-8") as file:
        file.write("\n".join(packages))
    paths[1].write_text("\n".join(translations), encoding="utf-8")
    return ["--packages", str(paths[0]), "--translations", str(paths[1])]


def run(recipe, arguments, monkeypatch):
    module = importlib.import_module(f"attention_zoo.recipes.{recipe}.make_data")
    monkeypatch.setattr(sys, "argv", ["make_data.py", *arguments])
    module.main()


def test_topics(tmp_path, monkeypatch, capsys):
    more = [(f"p{i}", "games", "Game", f"Number {i}. More.") for i in range(98)]
    arguments = [*lists(tmp_path, more), "--out", str(tmp_path / "out")]
    run("debian_topics", arguments, monkeypatch)
    assert "test: 10 packages\nvalid: 10 packages\ntrain: 80 packages" in capsys.readouterr().out
    splits = {
        name: read_examples(str(tmp_path / "out" / f"{name}.tsv"), ["text", "section"])
        for name in ("train", "valid", "test")
    }
    examples = [example for rows in splits.values() for example in rows]
    assert len(set(examples)) == 100
    assert ("Game of letters. A game. It is fun.", "games") in examples
    assert ("Mail reader. Mail is a small reader of mail, that reads. Written in C.", "mail") in (
        examples
    )
    documents = [
        text
        for name in ("train", "valid")
        for (text,) in read_examples(str(tmp_path / "out" / f"documents.{name}.txt"), ["text"])
    ]
    # Those for training here, and the one of no section: none that is held out.
    assert len(documents) == 81
    assert "Headers.\nHeaders for it." in documents
    held_out = [text.split(". ", 1)[1] for n in ("valid", "test") for text, _ in splits[n]]
    assert not [d for d in documents if d.split("\n", 1)[1].replace("\n", " ") in held_out]


def test_questions(tmp_path, monkeypatch):
    more = [
        (f"p{i}", "x", "T", f"P{i} is a tool of kind {i}. It provides many tools.")
        for i in range(40)
    ]
    arguments = [*lists(tmp_path, more), "--out", str(tmp_path / "out")]
    run("debian_questions", arguments, monkeypatch)
    fields = ["question", "context", "answers"]
    examples = [
        example
        for name in ("train", "valid", "test")
        for example in read_examples(str(tmp_path / "out" / f"{name}.json"), fields)
    ]
    found = {question: json.loads(answers) for question, _, answers in examples}
    assert found["What is mail?"][0]["text"] == "a small reader of mail"
    assert found["What is p3?"][0]["text"] == "a tool of kind 3"
    assert found["What does p3 provide?"][0]["text"] == "many tools"
    assert sum(not answers for answers in found.values()) == 41


def test_a_pattern_that_fits_twice_tells_nothing():
    module = importlib.import_module("attention_zoo.recipes.debian_questions.make_data")
    assert module.answers_in("It is a red house. It is a blue house.") == {}
    description = module.Description("x", "s", "t", ("It is a red house. It is a blue house.",))
    assert module.questions_of(description, random.Random(1)) is None


def test_no_lists(tmp_path, monkeypatch):
    module = importlib.import_module("attention_zoo.recipes.debian_topics.descriptions")
    monkeypatch.setattr(module, "LISTS", tmp_path)
    with pytest.raises(SystemExit, match="sudo apt-get"):
        run("debian_topics", ["--out", str(tmp_path / "out")], monkeypatch)

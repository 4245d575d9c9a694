"""A user's own model, task, tokenizer, metric and format, by the commands that the docs show."""

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

import attention_zoo as az

PLUGINS = Path(__file__).parent / "extending"
PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "extend.md"
WORDS = ["abc", "abd", "éa", "xyz", "ba", "cab"] * 3
STARS = [("good", 4.5), ("bad", 1), ("fine", 3)] * 4
DATA = {
    "words.tsv": ["source\ttarget", *(f"{word}\t{word[::-1]}" for word in WORDS)],
    "words.txt": ["abc", "cab"],
    "stars.tsv": ["text\tstars", *(f"a {word} film\t{stars}" for word, stars in STARS)],
    "stars.txt": ["a good film", "a bad film"],
}
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def run(forks):
    def run_in(folder, arguments, status=0, path=None):
        paths = [str(path), str(folder)] if path else []
        paths = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])
        process = forks.run(*arguments, check=status, cwd=folder, PYTHONPATH=paths)
        assert "Traceback" not in process.stderr
        return process

    return run_in


@pytest.fixture(scope="module", params=BLOCKS, ids=["model, tokenizer", "task, metric, format"])
def folder_and_outputs(run, request, tmp_path_factory):
    """A folder in which the commands of a block were run, and what each printed."""
    folder = tmp_path_factory.mktemp("extending")
    for file in PLUGINS.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    for name, lines in DATA.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    commands = [shlex.split(line) for line in request.param.splitlines()]
    assert all(command[0] == "attention-zoo" for command in commands)
    return folder, {tuple(command): run(folder, command[1:]).stdout for command in commands}


def test_the_artefact_answers_as_the_run_does(folder_and_outputs):
    _, outputs = folder_and_outputs
    ours, theirs = (output for command, output in outputs.items() if "predict" in command)
    assert len(ours.splitlines()) == 2
    assert ours == theirs
    (scores,) = (output for command, output in outputs.items() if "evaluate" in command)
    assert re.search(r"\d", scores)


def without_plugins(command):
    words = list(command[1:])
    while "--plugin" in words:
        at = words.index("--plugin")
        del words[at : at + 2]
    return ["again" if words[0] == "train" and word == words[-1] else word for word in words]


def test_without_the_plugin_its_name_is_asked_for(run, folder_and_outputs):
    folder, outputs = folder_and_outputs
    for words in map(without_plugins, outputs):
        if words[0] in ("train", "predict"):
            assert "--plugin" in run(folder, words, status=2).stderr


def test_an_installed_plugin_needs_no_name(run, folder_and_outputs, tmp_path):
    folder, outputs = folder_and_outputs
    modules = [file.stem for file in PLUGINS.glob("*.py")]
    (tmp_path / "theirs-1.dist-info").mkdir()
    (tmp_path / "theirs-1.dist-info/METADATA").write_text("Name: theirs\nVersion: 1\n")
    lines = ["[attention_zoo.plugins]", *(f"{name} = {name}" for name in modules)]
    (tmp_path / "theirs-1.dist-info/entry_points.txt").write_text("\n".join(lines))
    for command, output in outputs.items():
        words = without_plugins(command)
        if words[0] in ("train", "predict"):
            found = run(folder, words, path=tmp_path).stdout
            assert words[0] == "train" or found == output


def test_the_examples_stay_short():
    files = sorted(PLUGINS.glob("*.py"))
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) < 250


def test_a_function_is_a_metric_of_fit():
    def half(answers, references):
        return 50.0

    tokenizer = az.CharacterTokenizer("ab")
    model = az.Transformer.from_preset("transformer_tiny", source_vocab_size=tokenizer.vocab_size)
    task = az.Seq2Seq(model, tokenizer, max_target_length=4)
    figures = task.fit([("ab", "ba")] * 4, [("ab", "ba")], metrics=[half], steps=1, batch_tokens=16)
    assert figures["valid"]["half"] == 50.0


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("nowhere", "--plugin nowhere: No module named 'nowhere'"),
        ("nowhere.py", "--plugin nowhere.py: no such file"),
        ("broken.py", "--plugin broken.py: NameError: name 'oops' is not defined"),
    ],
)
def test_a_plugin_that_cannot_be_imported(run, plugin, message, tmp_path):
    (tmp_path / "broken.py").write_text("oops\n", encoding="utf-8")
    assert message in run(tmp_path, ["schema", "--plugin", plugin], status=2).stderr

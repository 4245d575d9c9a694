"""What the README shows is run: commands, Python, YAML; and its links lead somewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from reference.small_dates import SMALL, write_dates

from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.viewer.page import read_page

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, minilm):
    """A folder that looks like the repository to the README's commands."""
    place = tmp_path_factory.mktemp("readme")
    write_dates(place)
    (place / "all-MiniLM-L6-v2").symlink_to(minilm)
    return place


def _shell(command, folder, tools):
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, f"{command}\n{process.stderr[-3000:]}"
    return process.stdout


def test_the_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\w+)", "".join(_blocks("sh")), re.MULTILINE)
    assert targets == ["demo", "test"]  # run by tests/test_demo.py, and by whoever runs this
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_command_line(folder, forks):
    forks.start()
    commands = [line for line in "".join(_blocks("sh")).splitlines() if "attention-zoo" in line]
    assert len(commands) == 12
    answers = []
    for command in commands:
        if " train " in command:
            command += f" {SMALL}"
        output = _shell(command, folder, forks.client.parent)
        if " predict " in command:
            answers.append(output)
    translation, *answers = answers
    assert translation == "I like tea.\n"
    assert len(answers) == 5
    data = read_page(folder / "attention.html")
    assert data["hypotheses"][0]["answer"] == answers[3].strip()
    assert len(set(answers[:3])) == 1
    assert answers[3] == "AH T EH N SH AH N\n"
    assert len(json.loads(answers[4])["embedding"]) == 384


def test_the_python(folder):
    for code in _blocks("python"):
        script = folder / "example.py"
        script.write_text(code, encoding="utf-8")
        _shell("python example.py", folder, Path(sys.executable).parent)
    assert (folder / "exported/from_python/report.md").exists()


def test_the_recipe(tmp_path):
    [text] = _blocks("yaml")
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml").evaluate.beam_size == 4


def test_the_links():
    prose = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#]+)\)", prose)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target

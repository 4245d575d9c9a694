"""The notebooks run, and the two versions of each, script and `.ipynb`, say the same."""

import ast
import contextlib
import importlib.util
import json
import os
import re
import runpy
from pathlib import Path

import matplotlib
import pytest
from fontTools.ttLib import TTFont
from reference.sweeps import quick_and_slow

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
NAMES = [script.name for script in SCRIPTS]


def make():
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_six_in_two_languages():
    english = {name.removesuffix(".py") for name in NAMES if not name.endswith(".zh.py")}
    chinese = {name.removesuffix(".zh.py") for name in NAMES if name.endswith(".zh.py")}
    assert english == chinese
    assert sorted(name[0] for name in english) == list("123456")


@pytest.mark.parametrize(
    "script",
    # The Chinese ones have the same code, see below.
    quick_and_slow(SCRIPTS, [FOLDER / "3-transformer-from-its-layers.py"]),
    ids=NAMES,
)
def test_it_runs(script, monkeypatch):
    """On small settings, in this process; what it asserts holds."""
    monkeypatch.setenv("SMALL", "1")
    matplotlib.use("agg")
    from matplotlib import pyplot

    with contextlib.chdir(FOLDER), matplotlib.rc_context():
        try:
            runpy.run_path(str(script), run_name="notebook")
        finally:
            pyplot.close("all")


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_the_notebook_is_made_from_the_script(script):
    made = json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))
    expected = make().read(script)
    assert [(c["cell_type"], "".join(c["source"])) for c in made["cells"]] == [
        (c.cell_type, c.source) for c in expected.cells
    ]
    assert any(cell.get("outputs") for cell in made["cells"])
    assert os.stat(script.with_suffix(".ipynb")).st_size < 1_000_000
    errors = [o for c in made["cells"] for o in c.get("outputs", []) if o["output_type"] == "error"]
    assert errors == []


def code_of(script):
    """The code without the content of strings and comments."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
        if isinstance(node, ast.JoinedStr):  # a label may be in another order
            node.values = sorted(
                (v for v in node.values if isinstance(v, ast.FormattedValue)), key=ast.dump
            )
    return re.sub(r"plt\.rcParams\[''\] = \[.*\]|font_manager.*", "", ast.unparse(tree))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(".zh.py")])
def test_both_languages_do_the_same(name):
    english, chinese = FOLDER / name, (FOLDER / name).with_suffix(".zh.py")
    lines = [[s for s in code_of(p).splitlines() if s.strip()] for p in (english, chinese)]
    assert [s for s in lines[0] if s not in lines[1]] == []
    extra = [s for s in lines[1] if s not in lines[0]]
    assert all("matplotlib" in line for line in extra), extra


def test_the_font_has_every_character():
    known = TTFont(FOLDER / "DroidSansFallback-notebooks.ttf").getBestCmap()
    used = {c for path in FOLDER.glob("*.zh.py") for c in path.read_text(encoding="utf-8")}
    chinese = {c for c in used if "\u4e00" <= c <= "\u9fff"}
    assert {c for c in chinese if ord(c) not in known} == set()

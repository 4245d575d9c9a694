"""Registries: built-ins load when they are asked for, users add, mistakes are explained."""

import sys

import pytest

from attention_zoo.errors import UserError
from attention_zoo.registry import Registry

MODULE = """
from test_registry_home import COLOURS

@COLOURS.register("red")
class Red:
    pass
"""


@pytest.fixture
def colours(tmp_path, monkeypatch):
    """A registry with a built-in whose module lies on disk."""
    (tmp_path / "builtin_red.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "builtin_blue.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    colours = Registry("colour", builtin={"red": "builtin_red", "blue": "builtin_blue"})
    home = type(sys)("test_registry_home")
    home.COLOURS = colours
    monkeypatch.setitem(sys.modules, "test_registry_home", home)
    yield colours
    for name in ("builtin_red", "builtin_blue"):
        sys.modules.pop(name, None)


def test_names_are_known_without_an_import(colours):
    assert list(colours) == ["red", "blue"]
    assert len(colours) == 2
    assert "red" in colours
    assert "green" not in colours
    assert "builtin_red" not in sys.modules
    assert colours["red"].__name__ == "Red"
    assert colours.find("red") is colours["red"] is sys.modules["builtin_red"].Red


def test_users_add_to_it(colours):
    @colours.register("green")
    class Green:
        pass

    assert list(colours) == ["red", "blue", "green"]
    assert colours.find("green") is Green
    assert colours.register("green")(Green) is Green
    assert colours.get("yellow") is None


def test_a_name_is_registered_once(colours):
    colours.register("green")(1)
    with pytest.raises(ValueError, match="there is already a colour 'green': 1"):
        colours.register("green")(2)
    with pytest.raises(ValueError, match=r"there is already a colour 'red': .*Red"):
        colours.register("red")(object())


def test_a_notebook_cell_is_run_again(colours):
    first, second, other = (type(n, (), {"__module__": "__main__"}) for n in ("A", "A", "B"))
    colours.register("green")(first)
    colours.register("green")(second)
    assert colours["green"] is second
    colours.register("yellow")(first())
    colours.register("yellow")(second())
    with pytest.raises(ValueError, match="already a colour"):
        colours.register("green")(other)


def test_an_unknown_name_is_explained(colours):
    with pytest.raises(
        UserError, match=r"no colour 'blu'; did you mean \"blue\"\? Accepted: "
    ) as e:
        colours.find("blu")
    assert "blue, red. If a plugin registers it, name the plugin by --plugin" in str(e.value)
    with pytest.raises(KeyError):
        colours["blu"]


def test_a_builtin_that_registers_nothing_is_an_error(colours):
    with pytest.raises(KeyError, match="blue"):
        colours["blue"]

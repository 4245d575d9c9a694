"""Plugins: a user's own modules that register models, tasks, tokenizers, metrics and formats.

Name a plugin on the command line by `--plugin`, or install it with an entry point of the group
`attention_zoo.plugins`; in Python, importing it is enough.
"""

import functools
import importlib
import importlib.metadata
import sys
from collections.abc import Container, Sequence
from pathlib import Path

from attention_zoo.errors import UserError

GROUP = "attention_zoo.plugins"
_OPTION = "--plugin"
PLUGIN_HINT = f"If a plugin registers it, name the plugin by {_OPTION}"


_loaded: list[str] = []


def loaded_plugins() -> list[str]:
    """The arguments of `load_plugin` so far, for other processes."""
    return list(_loaded)


def load_plugin(name: str) -> None:
    """Imports a plugin.

    Args:
        name: a module, which may be in the working directory, or a `.py` file.

    Raises:
        UserError: if there is no such module, or it raises an error.
    """
    path, folder, module = Path(name), Path.cwd(), name
    if path.suffix == ".py":
        if not path.is_file():
            raise UserError(f"--plugin {name}: no such file")
        folder, module = path.resolve().parent, path.stem
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(f"--plugin {name}: {error}") from error
    # A plugin is user code, and may raise anything.
    except Exception as error:
        raise UserError(f"--plugin {name}: {type(error).__name__}: {error}") from error
    _loaded.append(name)


@functools.cache
def load_installed_plugins() -> None:
    """Imports the plugins that installed packages register as entry points, once.

    Raises:
        UserError: if one cannot be imported.
    """
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            raise UserError(
                f"the installed plugin {entry.name} ({entry.value}): "
                f"{type(error).__name__}: {error}"
            ) from error


def is_registered(name: object, names: Container[object]) -> bool:
    """Whether a name is registered, also by an installed plugin: these load on the first miss.

    Args:
        name: the name.
        names: those registered so far.

    Raises:
        UserError: if an installed plugin cannot be imported.
    """
    if name not in names:
        load_installed_plugins()
    return name in names


def plugins_first(arguments: Sequence[str]) -> list[str]:
    """Moves every `--plugin NAME` of command-line arguments before the command.

    Example:
        >>> plugins_first(["train", "my.yaml", "--plugin", "mine", "--out=run"])
        ['--plugin=mine', 'train', 'my.yaml', '--out=run']
    """
    plugins, others = [], []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
        elif argument == _OPTION:
            plugins.append(f"{_OPTION}={next(rest, '')}")
        elif argument.startswith(f"{_OPTION}="):
            plugins.append(argument)
        else:
            others.append(argument)
    return [*plugins, *others]

"""Registries of built-in objects, to which users' modules can add their own."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from attention_zoo.errors import UserError, suggest
from attention_zoo.plugins import PLUGIN_HINT, is_registered

Value = TypeVar("Value")
Given = TypeVar("Given")


class Registry(Mapping[str, Value]):
    """Named objects of one kind: a mapping that users can add to.

    The names of built-in objects are known without imports; the module of an object is imported
    when it is first looked up, and registers it.

    Args:
        kind: the kind of objects, in the singular, for messages.
        builtin: the module that registers each built-in name.

    Example:
        >>> colours = Registry("colour")
        >>> @colours.register("red")
        ... class Red:
        ...     pass
        >>> list(colours), colours["red"].__name__
        (['red'], 'Red')
        >>> colours.find("rde")
        Traceback (most recent call last):
        attention_zoo.errors.UserError: there is no colour 'rde'; did you mean "red"? \
Accepted: red. If a plugin registers it, name the plugin by --plugin
    """

    def __init__(self, kind: str, builtin: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._builtin = dict(builtin or {})
        self._registered: dict[str, Value] = {}

    def register(self, name: str) -> Callable[[Given], Given]:
        """Registers an object under a name; a decorator.

        Args:
            name: the name in recipes, on the command line and in files on disk.

        Raises:
            ValueError: if another object has the same name. In a notebook, running a
                definition again replaces the earlier one.
        """

        def add(value):
            if name in self._builtin:
                importlib.import_module(self._builtin[name])
            known = self._registered.get(name, value)
            if known is not value and _definition(known) != _definition(value):
                raise ValueError(f"there is already a {self.kind} {name!r}: {known!r}")
            self._registered[name] = value
            return value

        return add

    def find(self, name: str) -> Value:
        """Looks up an object by name, also in installed plugins.

        Raises:
            UserError: if there is none; lists the accepted names.
        """
        if not is_registered(name, self):
            raise UserError(
                f"there is no {self.kind} {name!r}; {suggest(name, self)}. {PLUGIN_HINT}"
            )
        return self[name]

    def __getitem__(self, name: str) -> Value:
        if name not in self._registered and name in self._builtin:
            importlib.import_module(self._builtin[name])
        return self._registered[name]

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self._registered

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._builtin, *self._registered)))

    def __len__(self) -> int:
        return len({*self._builtin, *self._registered})


def _definition(value: object) -> object:
    """A key that is equal for a definition in a notebook and the same one run again."""
    defined: Any = value if hasattr(value, "__qualname__") else type(value)
    is_in_notebook = defined.__module__ == "__main__"
    return defined.__qualname__ if is_in_notebook else value

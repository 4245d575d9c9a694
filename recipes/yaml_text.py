"""Reads the YAML of a recipe, possibly from an untrusted source, into plain values only."""

import itertools

import yaml

from attention_zoo.errors import UserError, shown

_LARGEST_FILE = 1_000_000  # bytes
_MOST_VALUES = 10_000  # with aliases expanded
_DEEPEST = 20
_LONGEST_KEY = 200


class _Loader(yaml.SafeLoader):
    """YAML's types except dates: no setting is a date, but a column may be named like one."""

    def construct_mapping(self, node, deep=False):
        """Like the base class, but a duplicate key is an error."""
        lines = {}
        for key, _ in getattr(node, "value", ()):
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"duplicate key {shown(key.value)} in line "
                        f"{lines[key.value]} and in line {line}"
                    )  # fmt: skip
                lines[key.value] = line
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path):
    """Reads a YAML file.

    Args:
        path: the path of the file.

    Returns:
        The content.

    Raises:
        UserError: naming the file, if it cannot be read or is not YAML in UTF-8.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if len(content) > _LARGEST_FILE:
        raise UserError(f"{path} is not a recipe: it is larger than {_LARGEST_FILE:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: not UTF-8: byte 0x{content[error.start]:02x}"
        ) from error
    return parse_yaml(text, f"{path} is not YAML: ")


def parse_yaml(text, before):
    """Reads YAML in a string.

    Args:
        text: a string.
        before: the beginning of messages.

    Raises:
        UserError: if it is not YAML.

    Example:
        >>> parse_yaml("{a: 2021-01-01}", "not YAML: ")
        {'a': '2021-01-01'}
    """
    try:
        return yaml.load(text, _Loader)
    except RecursionError as error:
        raise UserError(f"{before}it is nested too deeply") from error
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())
        hint = "; YAML indents with spaces, not with tabs" if r"'\t'" in message else ""
        raise UserError(f"{before}{message[:500]}{hint}") from error
    # A tag does not match its text, such as `!!int x` or `!!timestamp x`.
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise UserError(f"{before}a value cannot be read: {shown(str(error))}") from error


def plain_values(content, path):
    """A copy without aliases; rejects types that settings do not have, and too many values.

    Args:
        content: what was read.
        path: the path of the file, for messages.

    Returns:
        The same content as dicts, lists, strings, numbers, booleans and None.

    Raises:
        UserError: naming the key.
    """
    counted = itertools.count(1)

    def copy(value, keys):
        if next(counted) > _MOST_VALUES:
            raise UserError(
                f"{path} is not a recipe: with its aliases expanded it has more than "
                f"{_MOST_VALUES:,} values"
            )
        if len(keys) > _DEEPEST:
            raise UserError(f"{path}: {'.'.join(keys[:3])}... is nested too deeply")
        if isinstance(value, dict):
            for key in value:
                _check_key(key, keys, path)
            return {key: copy(inner, [*keys, key]) for key, inner in value.items()}
        if isinstance(value, list):
            return [copy(inner, [*keys, str(i)]) for i, inner in enumerate(value)]
        _check_plain(value, keys, path)
        return value

    return copy(content, [])


def _check_key(key, parents, path):
    inside = f" in {'.'.join(parents)}" if parents else ""
    if not isinstance(key, str):
        kind = {bool: "a boolean (as are yes, no, on and off)"}.get(
            type(key), f"of the type {type(key).__name__}"
        )
        raise UserError(
            f"{path}: the key {shown(key)}{inside} is {kind}, not a name: write it in quotes"
        )
    if len(key) > _LONGEST_KEY or not key.isprintable():
        raise UserError(f"{path}: the key {shown(key)}{inside} is not a valid name")


def _check_plain(value, keys, path):
    field = ".".join(keys)
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise UserError(f"{path}: {field} contains invalid characters: {shown(value)}")
    elif isinstance(value, int):
        if abs(value) >= 1 << 63:
            raise UserError(f"{path}: {field}: a number of more than 64 bits: {shown(value)}")
    elif not isinstance(value, float | None):
        kind = type(value).__name__
        raise UserError(
            f"{path}: {field}: a {kind} is not a valid setting; received {shown(value)}"
        )


def override(content, text):
    """Replaces a value of a recipe, as `--set` does.

    Args:
        content: the recipe as a dict; it is modified.
        text: `"a.b=c"`, c in YAML; `"a=null"` removes the section a.

    Raises:
        UserError: if there is no key, or the value is not YAML.

    Example:
        >>> content = {"train": {"steps": 3}}
        >>> override(content, "train.seed=4")
        >>> content
        {'train': {'steps': 3, 'seed': 4}}
    """
    keys, separator, value = text.partition("=")
    *parents, last = keys.split(".")
    if not separator or not all(part.strip() for part in (*parents, last)):
        raise UserError(
            f"--set needs key=value, for example train.steps=100; received {shown(text)}"
        )
    parsed = parse_yaml(value, f"--set {shown(text)[1:-1]}: {shown(value)} is not YAML: ")
    section = content
    for parent in parents:
        if section.get(parent) is None:
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise UserError(
                f"--set {shown(text)[1:-1]}: {parent} is a value, not a section: {shown(section)}"
            )
    if not parents and parsed is None:
        content.pop(last, None)
    else:
        section[last] = parsed

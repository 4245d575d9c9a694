"""The text of a recipe: YAML from whoever wrote it, made into plain values and nothing else."""

import itertools

import yaml

from attention_zoo.errors import UserError, shown

_LARGEST_FILE = 1_000_000  # bytes
_MOST_VALUES = 10_000  # with aliases written out
_DEEPEST = 20
_LONGEST_KEY = 200


class _Loader(yaml.SafeLoader):
    """YAML's own types but for dates, which no setting is: a column may be named like one."""

    def construct_mapping(self, node, deep=False):
        """As ever, but the same key twice is a mistake and not a replacement."""
        lines = {}
        for key, _ in getattr(node, "value", ()):
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {shown(key.value)} stands twice, in line "
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
        path: of the file.

    Returns:
        Whatever is in it.

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
        before: how messages begin.

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
    # A tag promises what the text is not, such as `!!int x` or `!!timestamp x`.
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise UserError(f"{before}a value cannot be read: {shown(str(error))}") from error


def plain_values(content, path):
    """A copy without aliases; refuses types that no setting has, and what is too much.

    Args:
        content: what was read.
        path: of the file, for the message.

    Returns:
        The same in dicts, lists, strings, numbers, truth values and None.

    Raises:
        UserError: naming the key.
    """
    counted = itertools.count(1)

    def copy(value, place):
        if next(counted) > _MOST_VALUES:
            raise UserError(
                f"{path} is not a recipe: with its aliases written out it has more than "
                f"{_MOST_VALUES:,} values"
            )
        if len(place) > _DEEPEST:
            raise UserError(f"{path}: {'.'.join(place[:3])}... is nested too deeply")
        if isinstance(value, dict):
            for key in value:
                _check_key(key, place, path)
            return {key: copy(inner, [*place, key]) for key, inner in value.items()}
        if isinstance(value, list):
            return [copy(inner, [*place, str(i)]) for i, inner in enumerate(value)]
        _check_plain(value, place, path)
        return value

    return copy(content, [])


def _check_key(key, place, path):
    inside = f" in {'.'.join(place)}" if place else ""
    if not isinstance(key, str):
        kind = {bool: "a truth value (as yes, no, on and off are too)"}.get(
            type(key), f"of the type {type(key).__name__}"
        )
        raise UserError(
            f"{path}: the key {shown(key)}{inside} is {kind}; a name is needed: write it in quotes"
        )
    if len(key) > _LONGEST_KEY or not key.isprintable():
        raise UserError(f"{path}: the key {shown(key)}{inside} is no name")


def _check_plain(value, place, path):
    field = ".".join(place)
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise UserError(f"{path}: {field} has characters that no text has: {shown(value)}")
    elif isinstance(value, int):
        if abs(value) >= 1 << 63:
            raise UserError(f"{path}: {field}: a number of more than 64 bits: {shown(value)}")
    elif not isinstance(value, float | None):
        kind = type(value).__name__
        raise UserError(f"{path}: {field}: a {kind} is no setting; received {shown(value)}")


def override(content, text):
    """Replaces a value of a recipe, as `--set` does.

    Args:
        content: the recipe as a dict, which is changed.
        text: `"a.b=c"`, c in YAML; `"a=null"` leaves the section a out.

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

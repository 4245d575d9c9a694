"""What MkDocs runs while it builds the site: see `mkdocs.yml`."""

import ast
import configparser
import posixpath
import re
import shutil
from pathlib import Path

import griffe
from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[1]
# Where mkdocstrings looks for the package.
PACKAGES = ROOT / "build" / "docs"
COMMANDS = "<!-- commands -->"


def on_startup(**_):
    """Links the folders of the repository into a package, as `setup.cfg` maps them."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["options"]["package_dir"].strip().splitlines()
    folders = dict(line.split(" = ") for line in lines)
    shutil.rmtree(PACKAGES, ignore_errors=True)
    for name, folder in folders.items():
        package = PACKAGES.joinpath(*name.split("."))
        package.mkdir(parents=True)
        for file in (ROOT / folder).glob("*.py"):
            (package / file.name).symlink_to(file)


class PublicNames(griffe.Extension):
    """Tells griffe, which does not run code, where the lazily imported public names are."""

    def on_package(self, *, pkg, **_):
        """Adds an alias for each name in `_PUBLIC` of `attention_zoo/__init__.py`."""
        if "_PUBLIC" not in pkg.members:
            return
        public = ast.literal_eval(str(pkg.members["_PUBLIC"].value))
        for name, module in public.items():
            if name not in pkg.members:
                pkg.set_member(name, griffe.Alias(name, f"{pkg.path}.{module}.{name}", parent=pkg))


def on_page_markdown(markdown, page, config, **_):
    """Inserts the commands, and turns links to other files of the repository into URLs."""
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, commands())
    folder = posixpath.dirname(page.file.src_uri)

    def link(match):
        target = posixpath.normpath(posixpath.join("docs", folder, match[1]))
        if target.startswith("docs/") or target.startswith("..") or ":" in match[1]:
            return match[0]
        if not (ROOT / target).exists():
            raise PluginError(f"{page.file.src_uri}: {target} does not exist")
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"]({config.repo_url}/{kind}/main/{target}{match[2] or ''})"

    return re.sub(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", link, markdown)


def commands():
    """Every command with its arguments and options, as Markdown."""
    import typer
    from typer.cli import get_docs_for_click

    from attention_zoo.commands import app

    group = typer.main.get_command(app)
    with group.make_context("attention-zoo", [], resilient_parsing=True) as context:
        text = get_docs_for_click(obj=group, ctx=context, name="attention-zoo")
    # Without the page's own heading, and the list of commands that the contents repeat.
    text = text[text.index("## `attention-zoo list`") :]
    return text.replace("```console\n$ ", "```console\n")


def on_post_page(output, page, **_):
    """Refuses pages that would load anything from another host."""
    loaded = re.findall(r'<(?:script|img|iframe)[^>]*src="(https?:[^"]+)"', output)
    for tag in re.findall(r"<link[^>]*>", output):
        if 'rel="canonical"' not in tag:
            loaded += re.findall(r'href="(https?:[^"]+)"', tag)
    if loaded:
        raise PluginError(f"{page.file.src_uri} loads {loaded[0]}: the site works offline")
    return output

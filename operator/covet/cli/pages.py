"""The pages of help as files, so that `--help` needs nothing but to read one.

`python -m covet.cli.pages FOLDER` writes them; a test compares them with what the command itself says.
"""

import pathlib
import sys

import click

from covet.cli import application


def render() -> dict[str, str]:
    """Return the text of every page by its file's name."""
    context = click.Context(application.main, info_name=application.PROGRAM, **application.main.context_settings)
    pages = {"kubectl-covet.txt": _text(application.main, context)}
    for verb in application.VERBS:
        command = application.main.get_command(context, verb)
        if command is not None:
            pages[f"{verb}.txt"] = _text(command, click.Context(command, info_name=verb, parent=context))
    return pages


def _text(command: click.Command, context: click.Context) -> str:
    return f"{command.get_help(context)}\n"


def main(folders: list[str]) -> int:
    """Write the pages into each folder; return the exit code."""
    if not folders:
        sys.stderr.write("usage: python -m covet.cli.pages FOLDER...\n")
        return 2
    for folder in map(pathlib.Path, folders):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in render().items():
            (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command line: the front door, and the only module that knows daemon and dashboard alike."""

from __future__ import annotations

import sys

import typer

from monitor.errors import OURS


def create_app() -> typer.Typer:
    from monitor.cli import calibrating, contact, demo, reading, references, running, web

    app = typer.Typer(
        name="monitor",
        help="Drift and data-quality monitoring for models in production.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for part in (contact, running, reading, calibrating, references, web, demo):
        part.register(app)
    return app


def main() -> None:
    """Run the command; an error of ours becomes its lines on stderr and its exit code."""
    try:
        create_app()()
    except OURS as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"monitor: {line}\n")
        sys.exit(getattr(error, "exit_code", 1))

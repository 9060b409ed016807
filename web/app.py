"""The dashboard as one Dash application: routing, pages, headers and sign-in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import waitress
from dash import Dash, Input, Output
from sqlalchemy import Engine

from monitor.config import Config
from monitor.errors import ConfigError
from web import auth, frame, headers
from web.address import read_path
from web.desk import Desk
from web.pages import feature, incident, incidents, missing, model, overview
from web.reader import Reader, StoreReader

ASSETS = Path(__file__).parent / "assets"
THREADS = 8

INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="/assets/icons/logo.svg">
    <link rel="preload" href="/assets/fonts/inter-variable.woff2" as="font"
      type="font/woff2" crossorigin>
    <script src="/assets/head/theme.js"></script>
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


def create_app(
    config: Config,
    *,
    engine: Engine | None = None,
    reader: Reader | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Dash:
    """Build the dashboard over a results database, or over any other `reader`.

    Nothing is registered globally, so several applications live side by side in one process.

    Raises
    ------
    ConfigError
        If it would listen beyond this machine without a password, or has nothing to read.
    """
    auth.check(config.web)
    if reader is None:
        if engine is None:
            raise ConfigError("the dashboard has no results database to read")
        reader = StoreReader(engine=engine, config=config, clock=clock)
    app = Dash(
        "driftline",
        title="Driftline",
        update_title="Driftline",
        assets_folder=str(ASSETS),
        assets_path_ignore=["^head$"],
        index_string=INDEX,
        serve_locally=True,
        suppress_callback_exceptions=True,
        use_pages=False,
        add_log_handler=False,
        include_pages_meta=False,
        description="Drift and data quality of models in production",
    )
    desk = Desk(config=config, reader=reader, clock=clock, signed=auth.is_needed(config.web))
    app.layout = frame.layout
    _route(app)
    for part in (frame, overview, model, feature, incidents, incident):
        part.register(app, desk)
    auth.protect(app.server, config.web)
    headers.protect(app, config.web)
    return app


def _route(app: Dash) -> None:
    @app.callback(Output("page", "children"), Input("url", "pathname"))
    def show(pathname: str | None) -> Any:
        return page(pathname)


def page(pathname: str | None) -> Any:
    """Return the frame of the page a path names; its numbers come by its own callback."""
    place = read_path(pathname)
    match place.kind:
        case "overview":
            return overview.layout()
        case "model":
            return model.layout(place.model or "")
        case "feature":
            return feature.layout(place.model or "", place.column or "")
        case "incidents":
            return incidents.layout()
        case "incident":
            return incident.layout(place.incident or "")
    return missing.layout(pathname or "/")


def serve(
    config: Config,
    *,
    engine: Engine,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve the dashboard with waitress until `SystemExit` or `KeyboardInterrupt`, then return.

    Answers that are being made are finished first. `on_ready` is called once the port listens.

    Raises
    ------
    ConfigError
        If it would listen beyond this machine without a password, or the port is taken.
    """
    app = create_app(config, engine=engine, clock=clock)
    host, port = config.web.host, config.web.port
    try:
        server = waitress.create_server(
            app.server, host=host, port=port, threads=THREADS, ident=None
        )
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise ConfigError(
            f"web.port: cannot listen on {host}:{port} ({reason}); choose another with --port"
        ) from None
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a page asks for much at once
    on_ready()
    server.run()

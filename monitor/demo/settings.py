"""The demo's `monitor.yaml`: an ordinary one, with comments."""

from __future__ import annotations

from pathlib import Path
from string import Template

_TEMPLATE = Template("""\
# The configuration of the demo: New York's flights of 2013.
# `monitor demo` writes it anew each time; copy it elsewhere to make it yours.

store: $store  # where results are kept: SQLite, or postgresql+psycopg://…
timezone: America/New_York  # for showing times, and for what is usual at an hour of the day

models:
  flight-delay:  # says how likely a flight is to land more than 15 minutes late
    source: $source  # where predictions are logged; only ever read
    log:
      table: predictions
      time: event_time  # scheduled departure
      id: prediction_id
      payload: features  # JSON; what is nested gets dotted names, such as weather.temp
      version: model_version
    baseline:
      table: training_rows  # January and February, scored by models that had not seen their day
    prediction:
      kind: binary
      score: score
      threshold: $threshold  # largest F1 on the out-of-fold scores of the training rows
    cohorts: [origin, carrier, [origin, carrier]]
    columns:
      # Weather and the calendar are what a flight meets, not what the airlines send us: they are
      # drawn, and raise no alert.
      hour: {role: context}
      weekday: {role: context}
      weather.temp: {role: context}
      weather.dewp: {role: context}
      weather.humid: {role: context}
      weather.wind_dir: {role: context}
      weather.wind_speed: {role: context}
      weather.precip: {role: context}
      weather.pressure: {role: context}
      weather.visib: {role: context}
    calendar: US  # holidays, which page nobody and teach nothing of ordinary days
    noun: flights
    window: 1h
    lateness: 2h  # how long after its end a window waits for late rows

alerts:
  # How many false incidents a month a model may open. What is unusual is learnt from the weeks
  # before; `monitor calibrate` says what that would have paged, and what it can see.
  budget: 1 per month
  # Add a route to hear of it:
  # routes:
  #   - {kind: slack, name: on-call, url_file: /run/secrets/slack-url}
  #   - {kind: webhook, name: incidents, url: https://…, secret_file: /run/secrets/webhook-secret}

web:
  port: $port
daemon:
  port: $daemon_port  # /healthz, /readyz, /metrics
""")


def write_settings(
    path: Path, *, source: str, store: str, threshold: float, port: int, daemon_port: int
) -> bool:
    """Write the configuration; one that somebody changed is kept beside it as `.bak`.

    Returns
    -------
    bool
        Whether there was one that said something else.
    """
    text = _TEMPLATE.substitute(
        source=source, store=store, threshold=threshold, port=port, daemon_port=daemon_port
    )
    changed = path.exists() and path.read_text(encoding="utf-8") != text
    if changed:
        path.replace(path.with_name(path.name + ".bak"))
    path.write_text(text, encoding="utf-8")
    return changed

"""The configuration: `monitor.yaml`, overridden by the environment."""

from monitor.config.load import load
from monitor.config.models import (
    Alerts,
    Baseline,
    Column,
    Config,
    Daemon,
    Limits,
    Log,
    Model,
    Prediction,
    Route,
    Rule,
    Slack,
    Strict,
    Web,
    Webhook,
    Width,
)

__all__ = [
    "Alerts",
    "Baseline",
    "Column",
    "Config",
    "Daemon",
    "Limits",
    "Log",
    "Model",
    "Prediction",
    "Route",
    "Rule",
    "Slack",
    "Strict",
    "Web",
    "Webhook",
    "Width",
    "load",
]

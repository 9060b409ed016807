from __future__ import annotations

import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli import demo
from monitor.cli.together import need_free
from monitor.config import load
from monitor.demo.settings import write_settings
from monitor.errors import ConfigError

SETTINGS = {
    "source": "sqlite:///flights.db",
    "store": "sqlite:///driftline.db",
    "threshold": 0.2007,
    "port": 8050,
    "daemon_port": 8051,
}


def test_the_demos_configuration_is_one_that_the_product_loads(tmp_path: Path) -> None:
    write_settings(tmp_path / "monitor.yaml", **SETTINGS)
    config = load(tmp_path / "monitor.yaml", {})
    model = config.models["flight-delay"]
    assert model.source.get_secret_value() == f"sqlite:///{tmp_path}/flights.db"
    assert model.prediction is not None
    assert model.prediction.threshold == 0.2007
    assert model.role("weather.temp") == "context"
    assert (config.web.port, config.daemon.port) == (8050, 8051)


def test_a_configuration_that_somebody_changed_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    assert not write_settings(path, **SETTINGS)
    assert not write_settings(path, **SETTINGS)
    path.write_text("mine: true\n", encoding="utf-8")
    assert write_settings(path, **SETTINGS)
    assert (tmp_path / "monitor.yaml.bak").read_text(encoding="utf-8") == "mine: true\n"


def test_a_url_with_a_password_stays_out_of_the_file(tmp_path: Path) -> None:
    url = "postgresql+psycopg://demo:hunter2@127.0.0.1/flights"
    place = demo._place(tmp_path, url, "postgresql+psycopg://demo@127.0.0.1/results")
    assert place.source_url == url
    assert place.source_said == "${DEMO_SOURCE}"
    assert place.store_said == "postgresql+psycopg://demo@127.0.0.1/results"
    assert place.environ["DEMO_SOURCE"] == url
    assert place.exported == ["DEMO_SOURCE"]


def test_a_relative_file_means_the_same_to_the_loader_and_in_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = demo._place(Path("demo"), "sqlite:///here.db", None)
    assert place.source_url == place.source_said == f"sqlite:///{tmp_path}/here.db"


def test_a_port_that_is_taken_is_said_before_any_work(tmp_path: Path) -> None:
    app = typer.Typer()
    demo.register(app)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is taken; .* --port"):
            need_free(port)
        done = CliRunner().invoke(app, ["--dir", str(tmp_path / "demo"), "--port", str(port)])
    assert isinstance(done.exception, ConfigError)
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("option", ["--source", "--store"])
def test_what_is_no_database_url_is_one_line(tmp_path: Path, option: str) -> None:
    app = typer.Typer()
    demo.register(app)
    done = CliRunner().invoke(app, ["--once", "--dir", str(tmp_path), option, "flights"])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith(f"{option}: this is no database URL")
    assert len(str(done.exception).splitlines()) == 1

"""What the Dockerfile, the compose file and the Makefile name is there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config import load

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
MONITOR = [sys.executable, "-c", "from monitor.cli import main; main()"]


def instructions(name: str) -> list[list[str]]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in joined.splitlines() if line.startswith(name + " ")]


def test_there_are_the_services_that_a_machine_needs() -> None:
    assert set(SERVICES) == {"postgres", "upgrade", "daemon", "dashboard"}
    assert set(OURS) == {"upgrade", "daemon", "dashboard"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_command_is_one_that_the_program_has(name: str) -> None:
    assert instructions("ENTRYPOINT") == [["[monitor]"]]
    asked = subprocess.run(
        [*MONITOR, *OURS[name]["command"], "--help"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr


def test_images_are_built_here_or_pinned_to_a_major_version() -> None:
    assert {service["image"] for service in OURS.values()} == {"driftline:local"}
    assert all((ROOT / service["build"] / "Dockerfile").is_file() for service in OURS.values())
    assert re.fullmatch(r"postgres:\d+", SERVICES["postgres"]["image"])


def test_the_image_has_a_python_that_the_project_supports_and_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (image,) = {words[0] for words in instructions("FROM")}
    version = image.removeprefix("python:").removesuffix("-slim")
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_what_the_image_copies_is_there_and_let_through() -> None:
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        path for words in instructions("COPY") if "--from" not in words[0] for path in words[:-1]
    ]
    assert {"monitor", "profiles", "alerts", "web"} <= {Path(path).name for path in copied}
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{Path(path).name}" in let_through


def test_nothing_in_the_image_runs_as_root() -> None:
    assert instructions("USER") == [["driftline"]]
    assert DOCKERFILE.index("USER driftline") < DOCKERFILE.index("ENTRYPOINT")


def test_ports_are_published_on_this_machine_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(published) == ["127.0.0.1:8050:8050", "127.0.0.1:8051:8051"]


@pytest.mark.parametrize(("name", "port"), [("daemon", 8051), ("dashboard", 8050)])
def test_a_health_check_is_python_that_asks_the_published_port(name: str, port: int) -> None:
    kind, python, option, code = SERVICES[name]["healthcheck"]["test"]
    assert (kind, python, option) == ("CMD", "python", "-c")
    compile(code, name, "exec")
    assert f"http://127.0.0.1:{port}/healthz" in code


def test_everything_waits_for_a_database_that_answers_and_an_upgrade_that_ended_well() -> None:
    for name in ("daemon", "dashboard"):
        assert SERVICES[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"},
            "upgrade": {"condition": "service_completed_successfully"},
        }
    assert SERVICES["upgrade"]["restart"] == "no"
    assert "pg_isready" in SERVICES["postgres"]["healthcheck"]["test"][1]


def test_secrets_are_files_that_git_ignores_and_services_are_given() -> None:
    declared = COMPOSE["secrets"]
    assert "/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert all(secret["file"].startswith("./secrets/") for secret in declared.values())
    for service in SERVICES.values():
        given = set(service.get("secrets", []))
        assert given <= set(declared)
        named = {
            Path(value).name
            for value in service["environment"].values()
            if str(value).startswith("/run/secrets/")
        }
        assert named <= given


def test_no_value_in_the_compose_file_is_a_secret() -> None:
    for service in SERVICES.values():
        for variable, value in service["environment"].items():
            assert variable.endswith("_FILE") or not re.search(
                "PASSWORD|SECRET|URL|STORE", variable
            )
            assert "://" not in value


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_configuration_takes_what_a_service_is_told(name: str, tmp_path: Path) -> None:
    """The secrets are put where the test may, else this is the documented configuration."""
    (tmp_path / "monitor.yaml").write_text(
        "models:\n"
        "  my-model:\n"
        "    source_file: source-url\n"
        "    log: {table: predictions, time: event_time}\n"
        "    baseline: {table: training_rows}\n",
        encoding="utf-8",
    )
    secrets = {
        "store-url": "postgresql+psycopg://driftline:hunter2@postgres/driftline\n",
        "source-url": "postgresql+psycopg://reader:hunter2@db/serving\n",
        "dashboard-password": "correct horse battery\n",
    }
    for secret, value in secrets.items():
        (tmp_path / secret).write_text(value, encoding="utf-8")
    service = OURS[name]
    assert "./monitor.yaml:/etc/driftline/monitor.yaml:ro" in service["volumes"]
    environ = {}
    for variable, value in service["environment"].items():
        environ[variable] = re.sub("^(/etc/driftline|/run/secrets)", str(tmp_path), value)

    config = load(None, environ)
    assert config.store.get_secret_value() == secrets["store-url"].strip()
    if name == "daemon":
        assert (config.daemon.host, config.daemon.port) == ("0.0.0.0", 8051)
    if name == "dashboard":
        assert (config.web.host, config.web.port) == ("0.0.0.0", 8050)
        assert config.web.password is not None


def test_docker_compose_reads_the_file_where_it_is_installed() -> None:
    docker = shutil.which("docker")
    if docker is None or not run(docker, "compose", "version"):
        return  # the tests above read the same file without it
    assert run(docker, "compose", "config", "--quiet")


def run(*command: str) -> bool:
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_make_alone_lists_what_it_can_do() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = [line.split()[1] for line in listed.splitlines()]
    assert targets == ["help", "demo", "test", "test-long", "check", "bench", "clean"]


def test_ci_runs_what_people_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text(encoding="utf-8")


def test_the_licence_is_the_one_that_the_package_names() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *Path("docs").rglob("*.md")], ids=str
)
def test_links_between_the_documents_lead_somewhere(page: str) -> None:
    file = ROOT / page
    links = re.findall(r"\]\(([^)#\s]+)", file.read_text(encoding="utf-8"))
    for link in links:
        if "://" not in link:
            assert (file.parent / link).exists(), f"{page} links to {link}"

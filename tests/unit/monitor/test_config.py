from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from monitor.config import Config, Web, load
from monitor.config.calendar import Calendar
from monitor.errors import ConfigError

CANARY = "hunter2-canary"

SMALL = """
models:
  flight-delay:
    source: sqlite:///log.db
    log: {table: predictions, time: event_time}
    baseline: {table: training_rows}
"""

Load = Callable[..., Config]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    def read(text: str = SMALL, environ: Mapping[str, str] | None = None, **files: str) -> Config:
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        path = tmp_path / "monitor.yaml"
        path.write_text(dedent(text))
        return load(path, environ or {})

    return read


@pytest.fixture
def problems(read: Load) -> Callable[..., list[str]]:
    def problems(text: str, environ: Mapping[str, str] | None = None, **files: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, environ, **files)
        assert CANARY not in str(caught.value)
        assert CANARY not in repr(caught.value)
        return list(caught.value.problems)

    return problems


Problems = Callable[..., list[str]]


def test_a_small_file_is_enough_and_the_rest_has_defaults(read: Load) -> None:
    config = read()
    model = config.models["flight-delay"]
    assert model.window == timedelta(hours=1)
    assert model.lateness == timedelta(0)
    assert (config.web.port, config.daemon.port, config.timezone) == (8050, 8051, "UTC")


def test_what_tells_rows_apart_is_not_watched_unless_it_is_a_cohort(read: Load) -> None:
    told = SMALL.replace("event_time}", "event_time, id: key, version: model_version}")
    assert read(told).models["flight-delay"].apart == ("event_time", "key", "model_version")
    model = read(told + "    cohorts: [model_version]\n").models["flight-delay"]
    assert model.apart == ("event_time", "key")


def test_when_a_row_was_written_is_not_watched_and_only_read_to_find_late_rows(
    read: Load, problems: Problems
) -> None:
    told = SMALL.replace("event_time}", "event_time, id: key, ingested: loaded_at}")
    model = read(told).models["flight-delay"]
    assert model.apart == ("event_time", "key", "loaded_at")
    assert model.unread == {"loaded_at"}
    assert model.log.overlap == timedelta(hours=6)
    growing = read(told.replace("loaded_at", "key")).models["flight-delay"]
    assert growing.apart == ("event_time", "key")
    assert growing.unread == frozenset()
    off = read(told.replace("loaded_at", "loaded_at, overlap: 0"))
    assert off.models["flight-delay"].log.overlap == timedelta(0)
    (problem,) = problems(told.replace("loaded_at", "event_time"))
    assert "models.flight-delay.log.ingested" in problem
    assert "it is log.time itself" in problem


def test_everything_the_design_shows_is_read(read: Load) -> None:
    config = read(
        """
        store: sqlite:////results/driftline.db
        timezone: America/New_York
        models:
          flight-delay:
            source: postgresql://reader:secret@db/flights
            log: {table: predictions, schema: ml, time: event_time, id: prediction_id,
                  payload: features, version: model_version}
            baseline: {range: [2013-03-01, 2013-04-01T06:00:00+02:00], payload: features}
            prediction: {kind: binary, score: score, threshold: 0.31}
            cohorts: [origin, carrier, [origin, carrier]]
            columns: {weather.temp: {role: context}, tailnum: {kind: ignore}}
            window: 15m
            lateness: 2h
            noun: flights
        alerts:
          rules: [{name: drift, statistic: psi, threshold: 0.2, over: 1d, models: [flight-delay]}]
          routes:
            - {kind: slack, name: on-call, url: https://hooks.slack.example/x}
            - {kind: webhook, name: incidents, url: https://ops.example/x, secret: whsec_abc}
        """
    )
    model = config.models["flight-delay"]
    assert model.log.db_schema == "ml"
    assert model.baseline.range == (
        datetime(2013, 3, 1, tzinfo=UTC),
        datetime(2013, 4, 1, 4, tzinfo=UTC),
    )
    assert model.cohorts == (("origin",), ("carrier",), ("origin", "carrier"))
    assert model.columns["weather.temp"].role == "context"
    assert (model.window, model.lateness) == (timedelta(minutes=15), timedelta(hours=2))
    assert [route.kind for route in config.alerts.routes] == ["slack", "webhook"]


def test_relative_paths_start_at_the_folder_of_the_file(
    read: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    config = read(SMALL.replace("{table: training_rows}", "{file: rows/january.parquet}"))
    model = config.models["flight-delay"]
    assert config.store.get_secret_value() == f"sqlite:///{tmp_path}/driftline.db"
    assert model.source.get_secret_value() == f"sqlite:///{tmp_path}/log.db"
    assert model.baseline.file == tmp_path / "rows/january.parquet"


def test_a_variable_is_put_in_place_of_its_name(read: Load) -> None:
    text = SMALL.replace("sqlite:///log.db", "postgresql://u:${DB_PASSWORD}@${DB_HOST:-db}/x")
    source = read(text, {"DB_PASSWORD": "p: #%"}).models["flight-delay"].source
    assert source.get_secret_value() == "postgresql://u:p: #%@db/x"


def test_a_default_stands_in_for_a_variable_that_is_empty(read: Load) -> None:
    assert read(SMALL + "timezone: ${ZONE:-Asia/Tokyo}", {"ZONE": ""}).timezone == "Asia/Tokyo"


def test_two_dollars_keep_a_variable_from_being_read(read: Load) -> None:
    text = SMALL.replace("event_time", '"$${time}"')
    assert read(text).models["flight-delay"].log.time == "${time}"


def test_a_variable_that_is_not_set_is_named(problems: Problems) -> None:
    assert problems(SMALL.replace("sqlite:///log.db", "${SERVING_URL}")) == [
        (
            "monitor.yaml:4: models.flight-delay.source: the environment variable SERVING_URL "
            "is not set; export it, or write ${SERVING_URL:-default}"
        )
    ]


def test_a_secret_may_stand_in_a_file_beside_the_configuration(read: Load) -> None:
    text = SMALL.replace("source: sqlite:///log.db", "source_file: url.txt") + dedent("""
        store_file: store.txt
        web: {password_file: password.txt}
        daemon: {heartbeat_file: hook.txt}
        alerts:
          routes:
            - {kind: webhook, name: w, url_file: hook.txt, secret_file: password.txt}
    """)
    config = read(
        text,
        **{
            "url.txt": "postgresql://db/log\n",
            "store.txt": "postgresql://db/results\n",
            "password.txt": f"  {CANARY}\n",
            "hook.txt": "https://ops.example/hook\n",
        },
    )
    (route,) = config.alerts.routes
    assert config.models["flight-delay"].source.get_secret_value() == "postgresql://db/log"
    assert config.store.get_secret_value() == "postgresql://db/results"
    assert config.web.password is not None
    assert config.web.password.get_secret_value() == CANARY
    assert route.url.get_secret_value() == "https://ops.example/hook"
    assert config.daemon.heartbeat is not None
    assert config.daemon.heartbeat.get_secret_value() == "https://ops.example/hook"
    assert "ops.example" not in repr(config)
    assert CANARY not in repr(config)
    assert CANARY not in config.model_dump_json()


def test_a_secret_given_twice_missing_or_empty_is_refused(problems: Problems) -> None:
    text = (
        SMALL
        + f"""
store: sqlite:///a.db
store_file: store.txt
web: {{password_file: nowhere.txt}}
alerts:
  routes: [{{kind: slack, name: {CANARY[:5]}, url_file: empty.txt}}]
"""
    )
    assert problems(text, **{"store.txt": CANARY, "empty.txt": "\n"}) == [
        "monitor.yaml:9: store_file: both store and store_file are given; keep one of the two",
        "monitor.yaml:10: web.password_file: the file 'nowhere.txt' cannot be read",
        "monitor.yaml:12: alerts.routes[0].url_file: the file 'empty.txt' is empty",
    ]


def test_the_environment_wins_over_the_file(read: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://db/from-file")
    config = read(
        SMALL + "web: {port: 1}\nstore: sqlite:///a.db",
        {
            "DRIFTLINE_STORE_FILE": "secret",
            "DRIFTLINE_TIMEZONE": "Europe/Paris",
            "DRIFTLINE_WEB__PORT": "9000",
            "DRIFTLINE_MODELS__FLIGHT_DELAY__SOURCE": "postgresql://db/other",
            "DRIFTLINE_MODELS__FLIGHT_DELAY__LOG__SCHEMA": "ml",
            "DRIFTLINE_MODELS__FLIGHT_DELAY__COHORTS": "[origin, [origin, dest]]",
            "DRIFTLINE_PASSWORD_FILE": "secret",
        },
    )
    model = config.models["flight-delay"]
    assert config.store.get_secret_value() == "postgresql://db/from-file"
    assert (config.timezone, config.web.port) == ("Europe/Paris", 9000)
    assert model.source.get_secret_value() == "postgresql://db/other"
    assert model.log.db_schema == "ml"
    assert model.cohorts == (("origin",), ("origin", "dest"))
    assert config.web.password is not None


def test_a_mistyped_variable_gets_the_nearest_right_name(problems: Problems) -> None:
    environ = {
        "DRIFTLINE_WEB__PROT": CANARY,
        "DRIFTLINE_MODELS__FLIGHT_DELY__SOURCE": CANARY,
        "DRIFTLINE_DAEMON__PORT": "none",
    }
    assert problems(SMALL, environ) == [
        (
            "DRIFTLINE_MODELS__FLIGHT_DELY__SOURCE: 'flight_dely' is no key here; "
            "did you mean 'flight_delay'?"
        ),
        "DRIFTLINE_WEB__PROT: 'prot' is no key here; did you mean 'port'?",
        "DRIFTLINE_DAEMON__PORT: daemon.port: 'none': it should be a whole number",
    ]


def test_what_an_orchestrator_sets_for_a_service_of_our_name_is_let_be(read: Load) -> None:
    assert read(SMALL, {"DRIFTLINE_PORT": "tcp://10.0.0.1:8050", "DRIFTLINE_SERVICE_HOST": "x"})


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(SMALL)
    assert load(None, {"DRIFTLINE_CONFIG": str(path)}).models


def test_without_a_file_one_is_told_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="monitor init --from URL TABLE"):
        load(None, {})
    with pytest.raises(ConfigError, match=r"no configuration file elsewhere\.yaml"):
        load(Path("elsewhere.yaml"), {})


def test_every_problem_is_told_at_once_with_its_line(problems: Problems) -> None:
    assert problems(
        """\
        timezone: Europe/Berln
        models:
          a:
            source: sqlite:///log.db
            log: {tabel: predictions, time: event_time}
            baseline: {table: t, file: b.parquet}
            window: 5 parsecs
            prediction: {kind: binry, score: score}
            cohorts: [[x, x]]
            columns: {temp: {rolle: context}}
        alerts:
          rules:
            - {name: r, threshold: -1, models: [b]}
            - {name: r, threshold: 1, statistic: psy}
        """
    ) == [
        (
            "monitor.yaml:1: timezone: 'Europe/Berln': it is no time zone; "
            "did you mean 'Europe/Berlin'?"
        ),
        "monitor.yaml:5: models.a.log.tabel: unknown key; did you mean 'table'?",
        (
            "monitor.yaml:6: models.a.baseline: baseline needs exactly one of table, file, range, "
            "or words such as trailing 28d; it has table and file"
        ),
        (
            "monitor.yaml:7: models.a.window: '5 parsecs': it is not a width of time; "
            "write it like 15m, 1h, 7d or 2w"
        ),
        (
            "monitor.yaml:8: models.a.prediction.kind: 'binry': it should be one of binary, "
            "multiclass, regression; did you mean 'binary'?"
        ),
        "monitor.yaml:9: models.a.cohorts[0]: it names a column twice",
        "monitor.yaml:10: models.a.columns.temp.rolle: unknown key; did you mean 'role'?",
        "monitor.yaml:13: alerts.rules[0].threshold: -1: it should be greater than 0",
        "monitor.yaml:13: alerts.rules[0].models[0]: there is no model 'b'; there is 'a'",
        (
            "monitor.yaml:14: alerts.rules[1].statistic: 'psy': it should be one of ks, psi, js, "
            "hellinger, wasserstein, tv, linf, chi2, jsd, kl, g, cramers_v, cvm, ad, "
            "wasserstein_sd, energy, fisher; did you mean 'psi'?"
        ),
        (
            "monitor.yaml:14: alerts.rules[1].name: another rule is called 'r' too; "
            "give each a name of its own"
        ),
    ]


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        ("models:\n  a: [1, 2\n", "monitor.yaml:3:1: this is no YAML: expected ',' or ']'"),
        ("models:\n\ta: 1\n", "monitor.yaml:2:1: this is no YAML: found character"),
        ("web: {port: ${PORT}}\n", "inside { } or [ ], put ${…} in quotes"),
        ("a: 1\nb: 2\na: 3\n", "monitor.yaml:3: a: this key was given before, in line 1"),
        ("", "monitor.yaml is empty"),
        ("- a\n", "monitor.yaml should hold keys"),
        ("a: !!python/object/apply:os.system [ls]\n", "monitor.yaml:1:4: this is no YAML"),
        ("a: &a [*a]\n", "too large or too deep"),
        ("[x]: 1\n", "monitor.yaml:1: a key should be a word"),
        ("models: {}\n", "no model is configured"),
    ],
)
def test_a_slip_in_the_yaml_is_one_line(slip: str, told: str, problems: Problems) -> None:
    (line,) = problems(slip)
    assert told in line


def test_aliases_of_aliases_do_not_fill_the_memory(problems: Problems) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 9)]
    (line,) = problems("\n".join(lines))
    assert "too large or too deep" in line


def test_no_message_holds_a_secret(problems: Problems) -> None:
    found = problems(
        f"""
        store: [{CANARY}]
        timezone: ${{SECRET}}
        models:
          a:
            source: {{url: {CANARY}}}
            pasword: {CANARY}
            log: {{table: t, time: x}}
            baseline: {{table: t}}
            window: ${{SECRET}}
        alerts:
          routes:
            - {{kind: webhook, name: w, url: "htp://{CANARY}", secrte: {CANARY}}}
        web: {{port: "${{SECRET}}", password: [{CANARY}]}}
        """,
        {"SECRET": CANARY},
    )
    assert len(found) == 9


def test_repr_never_shows_a_password(read: Load) -> None:
    text = SMALL.replace("sqlite:///log.db", f"postgresql://u:{CANARY}@db/x")
    config = read(text + f"store: postgresql://u:{CANARY}@db/y\nweb: {{password: {CANARY}}}")
    assert CANARY not in repr(config)
    assert CANARY not in str(config.model_dump())


RULE = "alerts: {rules: [{name: r, threshold: 1, over: 1d, against: AGAINST}]}\n"
VERSIONED = (
    SMALL.replace("time: event_time", "time: event_time, version: model_version")
    + "    cohorts: [origin, model_version]\n"
)


WORDS = "{table: training_rows}"


@pytest.mark.parametrize("words", ["previous", "trailing 10d", "weeks 8", "version v1"])
def test_a_baseline_may_be_words_that_hold_for_rules_which_say_nothing(
    words: str, read: Load
) -> None:
    rules = RULE.replace(", against: AGAINST", "")
    config = read(VERSIONED.replace(WORDS, words) + rules)
    model, (silent,) = config.models["flight-delay"], config.alerts.rules
    assert str(model.baseline.against) == str(model.beside(silent)) == words
    spoken = read(VERSIONED.replace(WORDS, words) + RULE.replace("AGAINST", "baseline"))
    assert model.beside(spoken.alerts.rules[0]) is None


@pytest.mark.parametrize(
    ("words", "rule", "told"),
    [
        ("trailing", "", "models.flight-delay.baseline.against: 'trailing': after 'trailing'"),
        ("version v1", "", "models: the baseline of flight-delay is another version; the version"),
        ("weeks 8", RULE.replace("1d, against: AGAINST", "8d"), "alerts: rule 'r' compares with"),
    ],
)
def test_words_of_a_baseline_that_cannot_be_are_one_line(
    words: str, rule: str, told: str, problems: Problems
) -> None:
    (line,) = problems(SMALL.replace(WORDS, words) + rule)
    assert told in line


@pytest.mark.parametrize(
    "against", ["previous", "trailing 10d", "weeks 8", "version v1", "version 1.0 (b)"]
)
def test_a_rule_says_what_it_compares_with(against: str, read: Load) -> None:
    config = read(VERSIONED + RULE.replace("AGAINST", against))
    (rule,) = config.alerts.rules
    assert str(rule.against) == config.model_dump()["alerts"]["rules"][0]["against"] == against


def test_a_rule_compares_with_the_baseline_if_it_says_nothing_else(read: Load) -> None:
    for text in (RULE.replace("AGAINST", "baseline"), RULE.replace(", against: AGAINST", "")):
        (rule,) = read(SMALL + text).alerts.rules
        assert rule.against is None


@pytest.mark.parametrize(
    ("against", "told"),
    [
        (
            "previuos",
            (
                "'previuos': it should be one of baseline, previous, trailing 28d, weeks 8, "
                "version v1; did you mean 'previous'?"
            ),
        ),
        (
            "week 8",
            (
                "'week 8': it should be one of baseline, previous, trailing 28d, weeks 8, "
                "version v1; did you mean 'weeks 8'?"
            ),
        ),
        ("8", "8: it should be one of baseline, previous, trailing 28d, weeks 8, version v1"),
        (
            "trailing",
            "'trailing': after 'trailing' comes a width of time; write it like trailing 28d",
        ),
        (
            "trailing 4 parsecs",
            (
                "'trailing 4 parsecs': after 'trailing' comes a width of time; "
                "write it like trailing 28d"
            ),
        ),
        ("weeks none", "'weeks none': after 'weeks' comes their number; write it like weeks 8"),
        ("weeks 0", "'weeks 0': after 'weeks' comes their number; write it like weeks 8"),
        ("weeks 10000000", "'weeks 10000000': that is more than ten years back"),
        ("trailing 9999d", "'trailing 9999d': that is more than ten years back"),
        ("version", "'version': after 'version' comes its name; write it like version v1"),
        ("previous 1d", "'previous 1d': nothing follows 'previous'; write it like previous"),
    ],
)
def test_a_slip_in_what_a_rule_compares_with_is_one_line(
    against: str, told: str, problems: Problems
) -> None:
    (line,) = problems(SMALL + RULE.replace("AGAINST", against))
    assert line == f"monitor.yaml:7: alerts.rules[0].against: {told}"


def test_weeks_do_not_hold_the_span_that_is_judged(read: Load, problems: Problems) -> None:
    week = RULE.replace("AGAINST", "weeks 8").replace("1d", "7d")
    assert read(SMALL + week).alerts.rules[0].over == timedelta(days=7)
    (line,) = problems(SMALL + week.replace("7d", "8d"))
    assert line == (
        "monitor.yaml:7: alerts.rules[0].against: 'weeks 8': over is 8d, so the same hours of the "
        "week before would be among those that are judged; make over 7d at most, or write previous"
    )


@pytest.mark.parametrize(
    ("text", "add"),
    [
        (SMALL, "its column as log.version, and to models.flight-delay.cohorts"),
        (
            VERSIONED.replace("[origin, model_version]", "[[origin, model_version]]"),
            "model_version to models.flight-delay.cohorts",
        ),
    ],
)
def test_a_version_to_compare_with_is_a_cohort(text: str, add: str, problems: Problems) -> None:
    (line,) = problems(text + RULE.replace("AGAINST", "version v1"))
    assert line.endswith(
        "alerts: rule 'r' compares with version v1; the version of flight-delay is no cohort; "
        f"add {add}"
    )


def test_lateness_may_be_nothing_and_a_window_may_not(read: Load, problems: Problems) -> None:
    assert read(SMALL + "    lateness: 0\n").models["flight-delay"].lateness == timedelta(0)
    (line,) = problems(SMALL + "    window: 0\n")
    assert line.startswith("monitor.yaml:7: models.flight-delay.window: 0: it is not a width")


@pytest.mark.parametrize(
    ("web", "address"),
    [
        (Web(), "http://127.0.0.1:8050"),
        (Web(host="::1", port=80), "http://[::1]:80"),
        (Web(host="0.0.0.0"), "http://127.0.0.1:8050"),
        (Web(url="https://drift.example/"), "https://drift.example"),
    ],
)
def test_the_dashboard_has_an_address(web: Web, address: str) -> None:
    assert web.address == address


def test_holidays_are_those_of_countries_and_days_that_one_names(read: Load) -> None:
    model = read(SMALL + "    calendar: [US, DE-BY, 2026-12-24]\n").models["flight-delay"]
    calendar = Calendar(model.calendar)
    of_us, of_bavaria, named, ordinary = (
        date(2026, 11, 26), date(2026, 1, 6), date(2026, 12, 24), date(2026, 11, 24)
    )  # fmt: skip
    assert [day in calendar for day in (of_us, of_bavaria, named, ordinary)] == [
        True, True, True, False
    ]  # fmt: skip


def test_a_calendar_may_be_one_country(read: Load) -> None:
    assert read(SMALL + "    calendar: US\n").models["flight-delay"].calendar == ("US",)


@pytest.mark.parametrize("entry", ["XX", "US-QQ", "24.12.2026", "3", "[2026]"])
def test_a_holiday_that_is_neither_a_country_nor_a_day_is_refused(
    problems: Problems, entry: str
) -> None:
    (line,) = problems(SMALL + f"    calendar: [{entry}]\n")
    assert line.startswith("monitor.yaml:7: models.flight-delay.calendar[0]: ")
    assert line.endswith("write a country such as US or US-NY, or a day such as 2026-12-24")

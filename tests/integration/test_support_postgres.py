from __future__ import annotations

import sqlalchemy as sa

from tests.support.postgres import Postgres


def test_each_test_gets_an_empty_database_of_its_own(postgres: Postgres) -> None:
    with postgres.database() as first, postgres.database() as second:
        for url in (first, second):
            engine = sa.create_engine(url)
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE only_here (a int)"))
            engine.dispose()


def test_the_server_is_a_real_postgresql_reached_without_the_network(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SHOW server_version_num")).scalar_one() >= "160000"
        assert connection.execute(sa.text("SHOW listen_addresses")).scalar_one() == ""
    engine.dispose()

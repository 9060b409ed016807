# One image for every part; docker-compose.yml says which command runs.
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY monitor ./monitor
COPY profiles ./profiles
COPY alerts ./alerts
COPY web ./web
RUN python -m venv /opt/driftline \
    && /opt/driftline/bin/pip install --no-cache-dir .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/driftline --create-home driftline
COPY --from=build /opt/driftline /opt/driftline
ENV PATH=/opt/driftline/bin:$PATH \
    PYTHONUNBUFFERED=1
USER driftline
WORKDIR /var/lib/driftline
ENTRYPOINT ["monitor"]
CMD ["--help"]

# twinstream in a container: every role is this one image with another command (worker, api, ingest ...).
# The packages come from the lock, hashes checked. Python 3.11 because all tests run on it. Faust has wheels for x86_64;
# on another processor the first stage compiles it.
ARG PYTHON=3.11.13-slim-bookworm

FROM python:${PYTHON} AS build
RUN if [ "$(uname -m)" != x86_64 ]; then \
        apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /src
RUN python -m venv /opt/twinstream
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
COPY requirements/core.txt requirements/core.txt
RUN /opt/twinstream/bin/pip install --require-hashes --requirement requirements/core.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY twins twins
COPY connectors connectors
COPY streams streams
COPY examples examples
RUN /opt/twinstream/bin/pip install --no-deps --no-build-isolation . && /opt/twinstream/bin/pip check

FROM python:${PYTHON}
RUN groupadd --gid 10001 twinstream \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/twinstream --shell /usr/sbin/nologin twinstream \
    && install -d -o twinstream -g twinstream /var/lib/twinstream
COPY --from=build /opt/twinstream /opt/twinstream
COPY --chmod=0755 deploy/entrypoint.sh /usr/local/bin/entrypoint
ENV PATH=/opt/twinstream/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    TWINSTREAM_DATA_DIR=/var/lib/twinstream TWINSTREAM_LOG_JSON=true
USER 10001:10001
WORKDIR /var/lib/twinstream
VOLUME /var/lib/twinstream
EXPOSE 8080 9100
# The worker answers on 9100, the API on 8080; whichever this container is, it must say that it lives.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(os.environ.get('HEALTH_URL', 'http://127.0.0.1:8080/healthz'), timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["entrypoint"]
CMD ["twinstream", "up"]

# Slim, with glibc, which the engine's library needs. Installed from locked, hashed wheels: nothing is compiled here.
FROM python:3.12-slim-bookworm AS build

WORKDIR /src
COPY requirements.lock pyproject.toml /src/
COPY scripts/uv.txt /src/scripts/
RUN python -m venv /tools \
 && /tools/bin/python -m pip install -q --no-cache-dir --require-hashes -r scripts/uv.txt \
 && python -m venv --without-pip /opt/vigia \
 && /tools/bin/uv pip install -q --no-cache --compile-bytecode --python /opt/vigia/bin/python --require-hashes -c requirements.lock -r pyproject.toml
COPY . /src
RUN /tools/bin/uv pip install -q --no-cache --compile-bytecode --python /opt/vigia/bin/python --no-deps .

FROM python:3.12-slim-bookworm

RUN apt-get update \
 && apt-get install -y --no-install-recommends tini libmagic1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin vigia \
 && install -d -o vigia -g vigia -m 0700 /data
COPY --from=build /opt/vigia /opt/vigia

USER vigia
WORKDIR /data
VOLUME /data
ENV PATH=/opt/vigia/bin:$PATH HOST=0.0.0.0 DATA_DIR=/data
EXPOSE 3001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", \
  "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '3001') + '/health/live', timeout=4)"]
ENTRYPOINT ["tini", "--", "vigia"]
CMD ["serve"]

# Slim, with glibc, which the engine's library needs. Installed from locked, hashed wheels: nothing is compiled here.
FROM python:3.12-slim-bookworm

RUN apt-get update \
 && apt-get install -y --no-install-recommends tini libmagic1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin vigia \
 && install -d -o vigia -g vigia -m 0700 /data

COPY . /app
RUN python -m venv /tmp/tools \
 && /tmp/tools/bin/python -m pip install -q --no-cache-dir --require-hashes -r /app/scripts/uv.txt \
 && cd /app \
 && /tmp/tools/bin/uv pip install -q --no-cache --system --require-hashes -c requirements.lock -r pyproject.toml \
 && /tmp/tools/bin/uv pip install -q --no-cache --system --no-deps . \
 && rm -rf /tmp/tools /app

USER vigia
WORKDIR /data
VOLUME /data
ENV HOST=0.0.0.0 DATA_DIR=/data
EXPOSE 3001
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", \
  "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '3001') + '/health/live', timeout=4)"]
ENTRYPOINT ["tini", "--", "vigia"]
CMD ["serve"]

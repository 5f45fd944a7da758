# docker build -t homing .
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/homing \
 && /opt/homing/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY src src
RUN /opt/homing/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /var/lib/homing homing
COPY --from=build /opt/homing /opt/homing
USER homing
WORKDIR /var/lib/homing
VOLUME /var/lib/homing
ENV PATH=/opt/homing/bin:$PATH \
    HOMING_LISTEN=0.0.0.0:8080 \
    HOMING_DATABASE=sqlite:////var/lib/homing/homing.db \
    HOMING_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/readyz', timeout=3)"]
CMD ["homing", "serve"]

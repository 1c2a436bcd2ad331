# syntax=docker/dockerfile:1
# The refine service. One file for all images (docs/images.md has their sizes):
#   CPU:  docker build --build-arg TORCH_INDEX_URL=<PyTorch's index of CPU wheels> -t refine:cpu .
#   CUDA: docker build -t refine:cuda .        (the wheel of torch on PyPI is the CUDA build; the driver is the host's)
#   slim: docker build --build-arg TORCH=none -t refine:slim .   (OpenVINO alone, for a checkpoint that was converted)
#   demo: make image-demo                      (an embedded Cytomine with a slide, the viewer and the service)
# WEIGHTS=baked puts the fine-tuned checkpoint, checked by its digest, into the image; else it lies on a volume.
# BASE_IMAGE takes a digest, too: python@sha256:...
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG TORCH_INDEX_URL=""
# openvino,scale: for Ray, see docs/scale.md
ARG EXTRAS=openvino,traces
ARG TORCH=whole
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
ENV VENV=/venv
COPY constraints.txt pyproject.toml README.md ./
COPY docker/install.sh docker/requirements.py docker/
RUN TORCH_INDEX_URL="${TORCH_INDEX_URL}" EXTRAS="${EXTRAS}" TORCH="${TORCH}" sh docker/install.sh dependencies
COPY client client
COPY app app
RUN sh docker/install.sh project

FROM build AS weights
ARG WEIGHTS=volume
ARG WEIGHTS_MIRROR=""
RUN mkdir -p /weights && if [ "${WEIGHTS}" = baked ]; then \
      /venv/bin/python -m app weights pull --folder /weights ${WEIGHTS_MIRROR:+--mirror "${WEIGHTS_MIRROR}"} \
      && /venv/bin/python -m app weights verify --folder /weights; \
    fi

FROM build AS bill
RUN sh docker/install.sh bill

FROM ${BASE_IMAGE} AS service
ARG BASE_IMAGE
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Refine with SAM" \
      org.opencontainers.image.description="Refines annotations on whole-slide images with SAM 2, beside Cytomine." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN useradd --uid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin refine
COPY --from=build /venv /venv
COPY --from=weights --chown=10001 /weights /app/weights
COPY --from=bill /bill.cdx.json /app/bill.cdx.json
# For Ray, see docs/scale.md; it needs the extra of that name.
COPY scale /app/scale
# Where a stock chart of 2026 looks for it: "fastapi run app/main.py".
RUN ln -s "$(/venv/bin/python -c 'import app; print(app.__path__[0])')" /app/app
ENV PATH=/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/app \
    API_BASE_PATH=/sam \
    REFINE_WEIGHTS__FOLDER=/app/weights \
    REFINE_SEGMENTER__ENGINE_FOLDER=/app/weights/engines
WORKDIR /app
USER 10001
EXPOSE 6000 8000
VOLUME /app/weights
# The first start with new weights measures the engines before it answers, for minutes on few cores. Where all cores are busy,
# a check's process needs seconds to start: that is no reason to call the service unhealthy.
HEALTHCHECK --interval=15s --timeout=30s --start-period=1200s --retries=3 CMD ["python", "-m", "app", "health"]
# The service ends on SIGTERM by itself, together with the one process that a first start runs, so it can be process 1.
CMD ["python", "-m", "app", "serve"]

# Everything that is written lies under /data, whose volume starts with the drawn slide and the converted demo model.
FROM service AS demo
USER 0
WORKDIR /demo
COPY demo demo
COPY slides slides
COPY training training
COPY out/engines /data/engines
RUN python -c "from pathlib import Path; from demo.slides.drawn import draw_slide; draw_slide(Path('/data/data/slides'))" \
    && chown -R 10001 /data
ENV REFINE_SEGMENTER__ENGINE_FOLDER=/data/engines
USER 10001
EXPOSE 6001
VOLUME /data
HEALTHCHECK --interval=10s --timeout=30s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:6001/demo/about', timeout=20)"]
CMD ["python", "-m", "demo", "--published", "--out", "/data"]

FROM service

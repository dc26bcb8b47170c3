FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY streamer streamer
RUN python -m venv /opt/streamer && /opt/streamer/bin/pip install --no-cache-dir -c constraints.txt '.[parquet]'

FROM python:3.11.14-slim-bookworm
RUN useradd --uid 10001 --no-log-init --create-home streamer
COPY --from=build /opt/streamer /opt/streamer
ENV PATH=/opt/streamer/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /home/streamer
# docker-compose.yml keeps both folders in volumes; a new volume begins with what is in the image.
RUN mkdir trainer && streamer compile
ENTRYPOINT ["streamer"]
CMD ["worker"]

FROM python:3.11-slim-bookworm
RUN useradd --create-home streamer
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY streamer streamer
RUN pip install --no-cache-dir -c constraints.txt .
USER streamer
RUN mkdir /home/streamer/trainer
RUN streamer compile
ENTRYPOINT ["streamer"]
CMD ["worker"]

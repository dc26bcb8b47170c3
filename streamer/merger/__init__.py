"""The process that merges partial sums into signals: Kafka around `streamer.signals`."""

"""Learned scores: snapshots that travel, a compiled scorer, the trainer that learns them. Pure: no Kafka, no clock."""

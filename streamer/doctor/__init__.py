"""Is an installation sound, and does an operator publish as the contract asks? `cluster` and `listening` read Kafka; all else is pure."""

"""The shells around Faust: transport, scoring, control topics, training, metrics."""

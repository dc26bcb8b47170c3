"""The shells around Faust: transport, scoring, control topics, metrics."""

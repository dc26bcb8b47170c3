"""What crosses the wire: numbers, events, decisions, and the codec that is the only validation."""

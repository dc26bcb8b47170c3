"""A real-time detector of telephone fraud: call events in, verdicts out, while the call is being set up."""

__version__ = "0.1.0"

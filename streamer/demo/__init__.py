"""The demonstration: a broker, a worker, a trainer and simulated traffic on one screen, and nothing left behind."""

"""Grafana dashboards as typed code: what is shown (`boards`), and how Grafana writes it (`panels`)."""

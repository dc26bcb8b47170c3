"""The one place that knows Kafka: clients' settings, topics, dead letters, tables read whole, a broker of our own."""

"""The training agent: joins feedback to evidence, teaches River, publishes models; one process at a time holds the lease."""

"""The laboratory: traffic that is made up, and files of records that are played back through the one engine."""

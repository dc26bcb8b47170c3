"""What is remembered of callers: sliding windows, distinct counts, recent calls. Arrays of slots, compiled loops."""

"""What others say of numbers: lists, subscribers' facts, operators' ranges. Read by number, compiled."""
